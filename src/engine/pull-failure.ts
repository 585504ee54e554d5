import type { ImgctlError } from '../errors/error.ts'
import { type Errand, registryFailure } from './registry-failure.ts'

const PULL: Errand = {
  doing: 'pull from',
  rules: [
    // The registry answers so for what it must not tell: a wrong name and missing rights look the same.
    { pattern: /no basic auth credentials|authorization failed/i, code: 'AUTH_REQUIRED' },
    // moby distribution/pull_v2.go, containerd platforms, containers/image: an index without the platform.
    {
      pattern:
        /no matching manifest for|no match for platform|does not match the specified platform|no image found in (?:manifest list|image index)/i,
      code: 'ARCH_MISMATCH',
      hint: 'ask for a platform that it has: --platform linux/amd64',
    },
    // moby "manifest for R not found", containerd "R: not found", distribution errcode MANIFEST_UNKNOWN, NAME_UNKNOWN.
    {
      pattern:
        /manifest unknown|name unknown|manifest for .* not found|: not found$|repository does not exist|404 \(?Not Found/i,
      code: 'IMAGE_NOT_FOUND',
      hint: 'see that name and tag are right, and that you may read it: docker login',
    },
  ],
  hints: (registry) => ({
    AUTH_REQUIRED: `log in to it: docker login ${registry}`,
    REGISTRY_UNREACHABLE: 'see that the engine itself reaches the registry and trusts its certificate',
  }),
}

/** @returns the error that the engine's own words for a failed pull from `registry` mean; ENGINE_ERROR when unknown */
export function pullFailure(registry: string, message: string): ImgctlError {
  return registryFailure(PULL, registry, message)
}
