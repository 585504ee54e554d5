import { ImgctlError } from '../../errors/error.ts'
import type { Builder, BuildRequest } from '../../ports/engine-build.ts'
import { compareApiVersions } from '../api-version.ts'
import type { EngineConnection } from '../connection.ts'

/** BuildKit answers `version=2` and `/session` since Docker 18.09. */
const BUILDKIT_API_VERSION = '1.39'

type Engine = Pick<EngineConnection, 'product' | 'apiVersion' | 'builderVersion'>

/**
 * The builder to use: the wanted one; else what the engine says in its ping; else BuildKit where it exists.
 *
 * @throws ImgctlError UNSUPPORTED when that builder is not there, or cannot do what the request needs
 */
export function chooseBuilder(engine: Engine, request: BuildRequest): Builder {
  const { builder = 'auto' } = request
  const hasBuildKit =
    engine.product === 'docker' && compareApiVersions(engine.apiVersion, BUILDKIT_API_VERSION) >= 0
  if (builder === 'buildkit' && !hasBuildKit) {
    throw new ImgctlError('UNSUPPORTED', `this engine has no BuildKit: it is ${nameOf(engine)}`, {
      hint: 'leave the choice to imgctl (--builder auto), or use a Docker engine of 18.09 or later',
    })
  }
  const usesBuildKit =
    builder === 'auto' ? hasBuildKit && engine.builderVersion !== '1' : builder === 'buildkit'
  if (usesBuildKit) return 'buildkit'
  requireNothingOfBuildKit(engine, request, hasBuildKit)
  return 'classic'
}

/** Podman's builder understands part of what BuildKit added, and says itself what it does not. */
function requireNothingOfBuildKit(engine: Engine, request: BuildRequest, hasBuildKit: boolean): void {
  const needs = [
    ...(engine.product === 'podman' ? [] : (request.needsBuildKit ?? [])),
    ...(request.secrets ?? []).map(({ id }) => `the secret ${id}`),
    ...(request.ssh ?? []).map(({ id }) => `the SSH agent ${id}`),
  ]
  if (needs.length === 0) return
  throw new ImgctlError('UNSUPPORTED', `the build needs BuildKit, and ${nameOf(engine)} builds without it`, {
    context: needs,
    hint: hasBuildKit
      ? 'use BuildKit, which this engine has: --builder buildkit'
      : 'use a Docker engine of 18.09 or later: --host or --context',
  })
}

function nameOf({ product, apiVersion }: Engine): string {
  return product === 'podman' ? 'Podman' : `Docker (API ${apiVersion})`
}
