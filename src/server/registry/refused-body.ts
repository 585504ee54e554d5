import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What is read of a refused body: a manifest that is on its way anyway, but no layer. */
const REFUSED_BODY_BYTES = 64 * 1024
/** For a client that looks for the answer while it sends: closing at once could take the answer from it. */
const REFUSED_BODY_MS = 1_000

/**
 * Sends the answer to a request that is refused. A body that may still come is not read to its end: the connection
 * closes instead.
 */
export function sendRefusal(request: FastifyRequest, reply: FastifyReply, body: string): FastifyReply {
  const isGone = request.raw.destroyed && !request.raw.complete
  if (isGone || !isLongBody(request.raw)) return reply.send(body)
  const answer = beforeTheEnd(body, () => drainRefusedBody(request.raw))
  return reply
    .header('connection', 'close')
    .header('content-length', Buffer.byteLength(body))
    .send(Readable.from(answer, { objectMode: false }))
}

/** Says all at once, and ends when `done`: Node closes the connection then. */
async function* beforeTheEnd(text: string, done: () => Promise<void>) {
  yield Buffer.from(text)
  await done()
}

/** Whether more of a request's body may come than is worth reading to keep the connection. */
function isLongBody(request: IncomingMessage): boolean {
  if (request.complete) return false
  const { 'transfer-encoding': encoding, 'content-length': length } = request.headers
  return encoding !== undefined || Number(length ?? 0) > REFUSED_BODY_BYTES
}

/** Reads a little of a refused body, then holds the sender; resolves when the body ends, the client goes, or it is time. */
function drainRefusedBody(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0
    const take = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > REFUSED_BODY_BYTES) request.off('data', take).pause()
    }
    const stop = () => {
      clearTimeout(deadline)
      resolve()
    }
    const deadline = setTimeout(stop, REFUSED_BODY_MS)
    request.once('end', stop).once('close', stop).on('data', take).resume()
  })
}
