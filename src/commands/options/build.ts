import { homedir } from 'node:os'
import type { Readable } from 'node:stream'
import { ImgctlError } from '../../errors/error.ts'
import { type Platform, parsePlatform } from '../../oci/platform.ts'
import type { BuildImageRequest, SecretSource } from '../../operations/build/build-image.ts'
import { dockerfileSource } from '../../operations/build/dockerfile-source.ts'
import type { OptionDefinition } from '../command.ts'
import { choice, flag, text, texts, usage } from './kinds.ts'

type Pairs = Readonly<Record<string, string | undefined>>

/** A build argument without a value takes the variable's of the same name, as docker's does. */
const buildArgs: OptionDefinition<Pairs> = {
  flags: '--build-arg <name[=value]>',
  description: 'a build argument; without a value it is taken from the environment; may be given again',
  absent: {},
  parse(value, before) {
    const [name, ...rest] = value.split('=')
    if (!name) throw usage('--build-arg', value, 'NAME=VALUE or NAME')
    return { ...before, [name]: rest.length > 0 ? rest.join('=') : undefined }
  },
}

interface SecretOption {
  readonly id: string
  readonly src?: string
  readonly env?: string
}

const secrets: OptionDefinition<readonly SecretOption[]> = {
  flags: '--secret <id=..,src=..|env=..>',
  description:
    'a secret for RUN --mount=type=secret: from a file or a variable, never in the image; may be given again',
  absent: [],
  parse: (value, before) => [...before, parseSecret(value)],
}

const platform: OptionDefinition<Platform | undefined> = {
  flags: '--platform <os/arch>',
  description: 'the platform to build for: linux/amd64',
  absent: undefined,
  parse(value) {
    const parsed = parsePlatform(value)
    if (parsed) return parsed
    throw usage('--platform', value, 'os/architecture, like linux/amd64')
  },
}

/** What every command that builds takes, in docker's words. */
export const BUILD_OPTIONS = {
  buildArgs,
  secrets,
  ssh: texts('--ssh <default|id=socket>', 'an SSH agent for RUN --mount=type=ssh; default is SSH_AUTH_SOCK'),
  target: text('--target <stage>', 'build up to this stage'),
  platform,
  noCache: flag('--no-cache', 'build every step anew'),
  pull: flag('--pull', 'ask the registries for newer base images'),
  cacheFrom: texts('--cache-from <image>', 'images whose layers may be used as cache'),
  builder: choice('--builder <kind>', "which of the engine's builders", ['auto', 'buildkit', 'classic']),
} as const

interface BuildOptionValues {
  readonly buildArgs: Pairs
  readonly secrets: readonly SecretOption[]
  readonly ssh: readonly string[]
  readonly target: string | undefined
  readonly platform: Platform | undefined
  readonly noCache: boolean
  readonly pull: boolean
  readonly cacheFrom: readonly string[]
  readonly builder: BuildImageRequest['builder'] | undefined
  readonly labels: Readonly<Record<string, string>>
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * What the options ask to build. Those whose meaning depends on the environment (a variable's value, the SSH agent)
 * get it here.
 *
 * @param file the Dockerfile's path, `-` for stdin; undefined: the context's own
 * @throws ImgctlError USAGE
 */
export async function buildRequest(
  values: BuildOptionValues,
  folder: string,
  file: string | undefined,
  environment: Environment,
  stdin: Readable,
): Promise<Omit<BuildImageRequest, 'tags' | 'words'>> {
  const { target, platform, noCache, pull, cacheFrom, labels, builder = 'auto' } = values
  return {
    folder,
    ...(file === undefined ? {} : { dockerfile: await dockerfileSource(file, stdin) }),
    ...(target === undefined ? {} : { target }),
    ...(platform === undefined ? {} : { platform }),
    ...{ noCache, pull, cacheFrom, labels, builder },
    buildArgs: resolveArguments(values.buildArgs, environment),
    secrets: values.secrets.map((secret) => resolveSecret(secret, environment)),
    ssh: values.ssh.map((value) => resolveSsh(value, environment)),
  }
}

function resolveArguments(pairs: Pairs, environment: Environment): Record<string, string> {
  const resolved: Record<string, string> = {}
  for (const [name, value = environment[name]] of Object.entries(pairs)) {
    if (value !== undefined) resolved[name] = value
  }
  return resolved
}

function parseSecret(value: string): SecretOption {
  const fields = Object.fromEntries(value.split(',').map((part) => part.split(/=(.*)/s).slice(0, 2)))
  const { id, src = fields['source'], env, type } = fields
  const known = type === undefined || type === 'file' || type === 'env'
  if (!id || !known || (src && env)) throw usage('--secret', value, 'id=ID,src=FILE or id=ID,env=VARIABLE')
  return { id, ...(src ? { src } : {}), ...(env ? { env } : {}) }
}

/** With an id alone, docker takes the variable of that name, or else the file. */
function resolveSecret({ id, src, env }: SecretOption, environment: Environment): SecretSource {
  const variable = env ?? (src === undefined && environment[id] !== undefined ? id : undefined)
  if (variable === undefined) return { id, file: expandHome(src ?? id, environment) }
  const value = environment[variable]
  if (value !== undefined) return { id, value }
  throw new ImgctlError('USAGE', `--secret ${id}: the variable ${variable} is not set`)
}

/** No shell expands a `~` in the middle of an argument. */
function expandHome(path: string, { HOME }: Environment): string {
  return path.replace(/^~(?=[\\/]|$)/, HOME || homedir())
}

function resolveSsh(value: string, { SSH_AUTH_SOCK }: Environment): { id: string; socketPath: string } {
  const [id = '', path] = value.split(/=(.*)/s)
  const socketPath = path || SSH_AUTH_SOCK
  if (id && socketPath) return { id, socketPath }
  throw new ImgctlError('USAGE', `--ssh ${value}: there is no agent`, {
    hint: 'start one (eval $(ssh-agent); ssh-add), or name its socket: --ssh default=/path/agent.sock',
  })
}
