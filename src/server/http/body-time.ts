import type { FastifyInstance } from 'fastify'
import { ImgctlError } from '../../errors/error.ts'

/** A document of a megabyte over a bad line; who is slower holds a connection for nothing. */
const BODY_MS = 30_000

/** What may take as long as it moves: the bytes of a blob. */
const BLOBS = /^\/v2\/.+\/blobs\//

/** Refuses bodies that do not come in time, but for blobs: a layer may take an hour. */
export function limitBodyTime(app: FastifyInstance, ms = BODY_MS): void {
  app.addHook('preParsing', async (request, reply, payload) => {
    if (BLOBS.test(request.url) || request.raw.complete) return payload
    const late = setTimeout(() => {
      // Answered already: then nobody reads it.
      if (reply.sent) return void request.raw.destroy()
      // What still comes is not waited for.
      reply.header('connection', 'close')
      payload.emit(
        'error',
        new ImgctlError('BAD_REQUEST', `the body did not come within ${ms / 1000} seconds`),
      )
    }, ms)
    for (const event of ['end', 'error', 'close']) payload.once(event, () => clearTimeout(late))
    return payload
  })
}
