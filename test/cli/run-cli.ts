import { PassThrough, Writable } from 'node:stream'
import { startRun } from '../../src/cli/run.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly tty?: boolean
  readonly node?: string
  readonly platform?: string
  /** What stdin holds; without it stdin stays open. */
  readonly input?: string
}

/** Starts the program in this process, with streams that keep what is written and a config folder of its own. */
export function startCli(
  args: readonly string[],
  { environment = {}, tty = false, node = '24.0.0', platform = 'linux/x64', input }: CliOptions = {},
) {
  const [out, err] = [capture(tty), capture(tty)]
  const run = startRun(args, {
    stdin: () => {
      const stdin = new PassThrough()
      if (input !== undefined) stdin.end(input)
      return Object.assign(stdin, { isTTY: tty })
    },
    stdout: () => out.stream,
    stderr: () => err.stream,
    onHangup: () => {},
    environment: { IMGCTL_CONFIG_DIR: temporaryFolder(), HOME: temporaryFolder(), ...environment },
    runtime: { node, platform },
  })
  return { run, out: out.text, err: err.text }
}

export async function runCli(args: readonly string[], options: CliOptions = {}) {
  const { run, out, err } = startCli(args, options)
  const code = await run.exitCode
  return { code, out: out(), err: err() }
}

function capture(isTTY: boolean) {
  let text = ''
  const stream = new Writable({
    write(chunk, _, done) {
      text += String(chunk)
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY, columns: 80 }), text: () => text }
}
