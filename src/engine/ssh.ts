import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { Duplex, type Readable, type Writable } from 'node:stream'
import type { SshEndpoint } from './endpoint.ts'

/** docker's own limit for the same connection (docker/cli, cli/connhelper). */
const CONNECT_TIMEOUT_SECONDS = 30
/** What is kept of ssh's messages: the last of them say why it ended. */
const STDERR_LIMIT = 4096

/** ssh ended on its own. The message is the last line that it wrote. */
export class SshError extends Error {
  readonly code = 'SSH_FAILED'
}

/**
 * A connection to the engine of another machine: `ssh HOST docker system dial-stdio`, as the docker client does
 * it, so the user's ssh config, agent and known hosts count.
 *
 * @param variables the environment of ssh: its PATH, agent socket and home
 */
export function dialSsh(
  endpoint: SshEndpoint,
  variables: Readonly<Record<string, string | undefined>>,
): Duplex {
  const child = spawn('ssh', sshArguments(endpoint), {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...variables },
    windowsHide: true,
  })
  return new SshConnection(child)
}

export function sshArguments({ hostname, user, port, socketPath }: SshEndpoint): string[] {
  return [
    ...['-o', `ConnectTimeout=${CONNECT_TIMEOUT_SECONDS}`, '-T'],
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', port]),
    ...['--', hostname, 'docker'],
    ...(socketPath === undefined ? [] : ['--host', `unix://${socketPath}`]),
    ...['system', 'dial-stdio'],
  ]
}

/** The child's stdio as one stream, which ends only when ssh ended well and is destroyed with its reason otherwise. */
class SshConnection extends Duplex {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>

  constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    super()
    this.#child = child
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-STDERR_LIMIT)
    })
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause()
    })
    // A write to ssh that ended fails with EPIPE; `close` says why it ended.
    child.stdin.on('error', () => {})
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT'
      this.destroy(missing ? new SshError('the ssh program is not installed') : error)
    })
    child.on('close', (code) => {
      if (code === 0) this.push(null)
      else this.destroy(new SshError(lastLine(stderr) ?? `ssh ended with code ${code}`))
    })
  }

  override _read(): void {
    this.#child.stdout.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // The error of a write is not the reason: `close` gives it.
    this.#child.stdin.write(chunk, () => done())
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill()
    done(error)
  }
}

function lastLine(text: string): string | undefined {
  return text.trim().split('\n').at(-1)?.trim() || undefined
}
