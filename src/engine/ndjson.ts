import type { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { isRecord } from '../internal/is-record.ts'
import { hasSystemCode } from '../internal/system-code.ts'

/** One message of an engine's progress stream. Nothing in it is to be relied on without a look. */
export type EngineEvent = Readonly<Record<string, unknown>>

/** Engines write lines of some KiB; a line of this length (in UTF-16 units) is no progress message. */
export const MAX_LINE_LENGTH = 1024 * 1024
/** How much of a line that is not JSON is shown. */
const SHOWN_LENGTH = 200

/**
 * The events of a newline-delimited JSON stream, one at a time: none is kept.
 *
 * Ends normally only when the stream ended. An `error` or `errorDetail` in the stream is thrown as
 * `failure(message)`: engines report failures there, after a status of 200.
 *
 * @throws ImgctlError ENGINE_ERROR for a line that is not a JSON object or is too long, and for a stream that
 *   closed before its end; whatever the stream was destroyed with
 */
export async function* readEvents(
  stream: Readable,
  failure: (message: string) => Error,
  maxLineLength = MAX_LINE_LENGTH,
): AsyncGenerator<EngineEvent, void, undefined> {
  for await (const line of readLines(stream, maxLineLength)) {
    if (line.trim() === '') continue
    const event = parseEvent(line)
    const message = reportedError(event)
    if (message !== undefined) throw failure(message)
    yield event
  }
}

async function* readLines(stream: Readable, limit: number): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of untilEnd(stream)) {
    const lines = decoder.decode(chunk, { stream: true }).split('\n')
    lines[0] = rest + lines[0]
    rest = lines.pop() ?? ''
    if (rest.length > limit) throw tooLong(limit)
    for (const line of lines) {
      if (line.length > limit) throw tooLong(limit)
      yield line
    }
  }
  yield rest + decoder.decode()
}

/** A stream that was destroyed without a reason is cut off: that is not its end. */
async function* untilEnd(stream: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* stream as AsyncIterable<Uint8Array>
  } catch (error) {
    if (!isPrematureClose(error)) throw error
    throw new ImgctlError('ENGINE_ERROR', "the engine's progress stream was cut off", {
      retryable: true,
      cause: error,
    })
  }
}

function isPrematureClose(error: unknown): boolean {
  return hasSystemCode(error, 'ERR_STREAM_PREMATURE_CLOSE')
}

function parseEvent(line: string): EngineEvent {
  try {
    const value: unknown = JSON.parse(line)
    if (isRecord(value)) return value as EngineEvent
  } catch {
    // Reported below, together with JSON that is not an object.
  }
  const shown = line.length > SHOWN_LENGTH ? `${line.slice(0, SHOWN_LENGTH)}...` : line
  throw new ImgctlError('ENGINE_ERROR', 'the engine wrote something that is not a progress message', {
    context: [makeVisible(shown)],
  })
}

/** Docker sends `errorDetail` and `error`, Podman may send `error` alone. */
function reportedError({ error, errorDetail }: EngineEvent): string | undefined {
  if (typeof errorDetail === 'object' && errorDetail !== null && 'message' in errorDetail) {
    return String(errorDetail.message)
  }
  if (error !== undefined && error !== null && error !== '') return String(error)
  return errorDetail === undefined || errorDetail === null ? undefined : 'the engine gave no reason'
}

function tooLong(limit: number): ImgctlError {
  return new ImgctlError('ENGINE_ERROR', `the engine wrote a line of more than ${limit} characters`)
}
