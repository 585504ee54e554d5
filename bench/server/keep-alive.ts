import { connect, type Socket } from 'node:net'

/**
 * One connection that sends the same request again and again: a client that costs less than the server, and that keeps
 * its connection after a HEAD, as undici does not.
 */
export class KeepAlive {
  readonly #socket: Socket
  readonly #request: string
  readonly #hasBody: boolean
  #received: Buffer = Buffer.alloc(0)
  #answered: ((status: number) => void) | undefined
  #failed: ((error: Error) => void) | undefined

  constructor(origin: string, method: string, path: string, headers: Readonly<Record<string, string>>) {
    const { host, hostname, port } = new URL(origin)
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#request = `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
    this.#hasBody = method !== 'HEAD'
    this.#socket = connect(Number(port), hostname)
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('error', (error) => this.#failed?.(error))
    this.#socket.on('close', () => this.#failed?.(new Error('the server closed the connection')))
  }

  /** Sends the request. @returns the status, once the whole answer is there */
  send(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      this.#socket.write(this.#request)
    })
  }

  close(): void {
    this.#failed = undefined
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#received.toString('latin1', 0, end)
    const length = this.#hasBody ? /^content-length: *(\d+)/im.exec(head)?.[1] : '0'
    if (length === undefined) {
      this.#failed?.(new Error(`an answer without Content-Length: ${head}`))
      return
    }
    const whole = end + 4 + Number(length)
    if (this.#received.length < whole) return
    this.#received = this.#received.subarray(whole)
    this.#answered?.(Number(head.slice(9, 12)))
  }
}
