import { type CommandResult, run } from './command.ts'
import { findProgram } from './install.ts'
import { type SidOptions, sidCommand } from './sid-command.ts'

export type { CommandResult } from './command.ts'

export interface ToolOptions extends SidOptions {
  input?: string | Uint8Array
  timeoutMs?: number
}

export interface DockerOptions extends ToolOptions {
  /** An engine's `dockerHost`. */
  host: string
  /** The folder of config.json; none when absent, so no credentials. */
  config?: string
}

/** The docker client 28 with buildx. */
export function docker(args: readonly string[], options: DockerOptions): Promise<CommandResult> {
  const env: Record<string, string> = { ...options.env, DOCKER_HOST: options.host }
  if (options.config !== undefined) env.DOCKER_CONFIG = options.config
  return inSid('docker', args, { ...options, env })
}

export function crane(args: readonly string[], options: ToolOptions = {}): Promise<CommandResult> {
  return inSid('crane', args, options)
}

export function oras(args: readonly string[], options: ToolOptions = {}): Promise<CommandResult> {
  return inSid('oras', args, options)
}

/** skopeo of the sid root (1.22). */
export function skopeo(args: readonly string[], options: ToolOptions = {}): Promise<CommandResult> {
  return inSid('skopeo', args, options)
}

/** skopeo of the machine's own Debian (1.9.3). */
export function hostSkopeo(args: readonly string[], options: ToolOptions = {}): Promise<CommandResult> {
  return run(findProgram('skopeo') ?? 'skopeo', args, options)
}

/** The result of a tool that must succeed; the error carries what it said. */
export async function succeeded(call: Promise<CommandResult>): Promise<CommandResult> {
  const result = await call
  if (result.code !== 0) throw new Error(`ended with code ${result.code}: ${result.stderr}${result.stdout}`)
  return result
}

function inSid(program: string, args: readonly string[], options: ToolOptions): Promise<CommandResult> {
  const { input, timeoutMs, ...sid } = options
  const [first, ...rest] = sidProcess(program, args, sid)
  return run(first, rest, {
    ...(input === undefined ? {} : { input }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })
}

/** The whole command line of a program of the sid root: it has its own mount namespace, and ends with us. */
export function sidProcess(
  program: string,
  args: readonly string[],
  options: SidOptions = {},
): [string, ...string[]] {
  return [
    ...(['setpriv', '--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork'] as const),
    ...['--kill-child', '--mount-proc'],
    ...sidCommand(program, args, options),
  ]
}
