import type { ImgctlError } from '../errors/error.ts'
import { type Errand, registryFailure } from './registry-failure.ts'

const OTHER_TRANSPORT = 'push past the engine: --via direct'

const PUSH: Errand = {
  doing: 'push to',
  rules: [
    // moby image/tarexport, daemon/containerd/image_push.go; podman libimage: the image went away meanwhile.
    {
      pattern: /does not exist locally|tag does not exist|image not known|no such image/i,
      code: 'IMAGE_NOT_FOUND',
    },
    // nginx and other proxies before a registry, whose page is no JSON; our own transport sends small chunks.
    {
      pattern: /413 \(?Request Entity Too Large|HTTP 413 response/i,
      code: 'TOO_LARGE',
      hint: OTHER_TRANSPORT,
    },
  ],
  hints: () => ({ REGISTRY_UNREACHABLE: OTHER_TRANSPORT }),
}

/** @returns the error that the engine's own words for a failed push to `registry` mean; ENGINE_ERROR when unknown */
export function pushFailure(registry: string, message: string): ImgctlError {
  return registryFailure(PUSH, registry, message)
}
