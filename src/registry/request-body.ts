import { Readable, Transform } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'

/** The bytes of one request. They are opened anew each time the request is sent. */
export interface RequestBody {
  readonly length: number
  /** A stream with `length` bytes or more; what comes after them is not read. */
  open(): Readable | Promise<Readable>
  /** Called with each count of bytes that are handed to the connection. */
  readonly onBytes?: (bytes: number) => void
  /** Waited for before so many bytes go. */
  readonly pace?: (bytes: number) => Promise<void>
}

type BodyMove = (what: 'bytes' | 'end' | 'wait') => void

/** A body that is in memory. */
export function memoryBody(bytes: Uint8Array): RequestBody {
  return { length: bytes.byteLength, open: () => Readable.from([bytes], { objectMode: false }) }
}

/** A body under way: counts what is sent, and keeps the failures of its source apart from the connection's. */
export class OutgoingBody {
  readonly stream: Readable
  /** Why the source could not give the bytes it promised. */
  failure: unknown

  private constructor(source: Readable, body: RequestBody, onMove: BodyMove) {
    let left = body.length
    const meter = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const bytes = chunk.subarray(0, left)
        left -= bytes.byteLength
        const pass = () => {
          body.onBytes?.(bytes.byteLength)
          onMove(left === 0 ? 'end' : 'bytes')
          done(null, bytes)
          if (left > 0) return
          source.unpipe(meter)
          meter.end()
        }
        if (!body.pace) return pass()
        onMove('wait')
        body.pace(bytes.byteLength).then(pass, done)
      },
      flush: (done) => {
        if (left > 0) this.failure ??= tooShort(body.length, left)
        done(left > 0 ? (this.failure as Error) : null)
      },
    })
    source.once('error', (error) => {
      this.failure ??= error
      meter.destroy(error)
    })
    meter.once('close', () => source.destroy())
    // The request hears it too; before it is sent nobody else does.
    meter.on('error', () => {})
    this.stream = source.pipe(meter)
  }

  /** @param onMove told when bytes went on, when the last did, and when the body waits by itself */
  static async open(body: RequestBody, onMove: BodyMove = () => {}): Promise<OutgoingBody> {
    return new OutgoingBody(await body.open(), body, onMove)
  }
}

function tooShort(expected: number, missing: number): ImgctlError {
  return new ImgctlError(
    'DIGEST_MISMATCH',
    `the source ended ${missing} bytes before the ${expected} that were to be sent: it changed meanwhile`,
  )
}
