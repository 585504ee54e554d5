import { PassThrough, Writable } from 'node:stream'
import { createStreams, type Streams } from '../../src/terminal/streams.ts'

export interface CapturedStreams extends Streams {
  /** What was written so far. */
  readonly out: () => string
  readonly err: () => string
  readonly input: PassThrough
}

export interface Surroundings {
  /** Both outputs and stdin are terminals. */
  readonly tty?: boolean
  readonly columns?: number
  readonly environment?: Readonly<Record<string, string>>
}

/** Streams that keep what is written to them. */
export function capturedStreams({
  tty = false,
  columns = 80,
  environment = {},
}: Surroundings = {}): CapturedStreams {
  const [out, err] = [capture(tty, columns), capture(tty, columns)]
  const input = Object.assign(new PassThrough(), { isTTY: tty })
  const streams = createStreams(
    { stdin: () => input, stdout: () => out.stream, stderr: () => err.stream },
    environment,
  )
  return Object.defineProperties(
    { ...streams, out: out.text, err: err.text, input },
    // A copy would open the streams: the getters come along as they are.
    Object.getOwnPropertyDescriptors(streams),
  )
}

function capture(isTTY: boolean, columns: number) {
  let text = ''
  const stream = new Writable({
    write(chunk, _, done) {
      text += String(chunk)
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY, columns }), text: () => text }
}
