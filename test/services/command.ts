import { spawn } from 'node:child_process'

/** What a finished program left behind. `code` is -1 when a signal ended it. */
export interface CommandResult {
  code: number
  stdout: string
  stderr: string
}

export interface CommandOptions {
  env?: Record<string, string | undefined>
  cwd?: string
  input?: string | Uint8Array
  /** Called with every chunk of both streams as it arrives. */
  onOutput?: (text: string) => void
  /** The program is killed after this time, so that a hanging peer cannot hang the test run. */
  timeoutMs?: number
}

/** Long enough for every tool call on a shared two-core machine; the installer passes its own. */
const DEFAULT_TIMEOUT_MS = 120_000

/** Runs a program to its end. Never rejects for an exit code; rejects when it cannot be started. */
export function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      options.onOutput?.(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      options.onOutput?.(text)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
    // A program that ends without reading its input closes the pipe; its exit code tells the story.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input)
  })
}

/** Runs a program that must succeed and returns its stdout; the error carries the end of its output. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await run(program, args, options)
  if (result.code !== 0) {
    const tail = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-8).join('\n')
    throw new Error(`${program} ${args.join(' ')} ended with code ${result.code}: ${tail}`)
  }
  return result.stdout
}
