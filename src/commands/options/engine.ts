import { ImgctlError } from '../../errors/error.ts'
import type { EngineChoice } from '../../ports/engine.ts'
import { text } from './kinds.ts'
import { assertUnset } from './unset.ts'

const host = text('--host <address>', 'the engine (DOCKER_HOST): unix:///path, tcp://host:port, ssh://host')
const context = text('--context <name>', 'the engine of this docker context (DOCKER_CONTEXT)')
const dockerContext = text('--docker-context <name>', 'the engine of this docker context (DOCKER_CONTEXT)')

/** The engine, where it is not the one that the environment and docker's contexts name. */
export const ENGINE_OPTIONS = {
  host,
  context,
  // The same under the name that it has where --context is a folder too, so that one flag works everywhere.
  dockerContext: { ...dockerContext, hidden: true },
} as const

/** The same for a command whose `--context` is the folder of a build. */
export const ENGINE_OPTIONS_OF_BUILD = { host, dockerContext } as const

/** Their flags, for commands that refuse them where no engine takes part. */
export const ENGINE_FLAGS = {
  host: '--host',
  context: '--context',
  dockerContext: '--docker-context',
} as const

/** What the options hold. */
export interface EngineOptionValues {
  readonly host: string | undefined
  readonly context: string | undefined
  readonly dockerContext: string | undefined
}

/**
 * Refuses an option that names an engine for a command line that asks none.
 *
 * @throws ImgctlError USAGE
 */
export function assertNoEngine(options: EngineOptionValues, of: 'archive' | 'remote'): void {
  const why = of === 'remote' ? 'and --remote asks the server' : 'and an archive needs none'
  assertUnset(options, ENGINE_FLAGS, `names an engine, ${why}`)
}

/**
 * The engine that the options name.
 *
 * @throws ImgctlError USAGE when they name two
 */
export function engineChoice({ host, context, dockerContext }: EngineOptionValues): EngineChoice {
  const named = dockerContext ?? context
  if (context !== undefined && named !== context) {
    throw new ImgctlError('USAGE', '--context and --docker-context name two docker contexts')
  }
  if (named === undefined) return host === undefined ? {} : { host }
  if (host === undefined) return { context: named }
  throw new ImgctlError('USAGE', '--host and a docker context name two engines', {
    hint: 'leave one of them away',
  })
}
