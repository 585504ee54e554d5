import type { FastifyInstance } from 'fastify'
import { ImgctlError } from '../../errors/error.ts'
import { pathOf } from './error-reply.ts'

/** A document of a megabyte over a bad line; who is slower holds a connection for nothing. */
const BODY_MS = 30_000

/**
 * What may take as long as it moves: the bytes of a blob, sent to an upload. A repository's name may hold these words:
 * what decides is the end.
 */
const UPLOADS = /^\/v2\/.+\/blobs\/uploads\/?[^/%]*$/

/** Refuses bodies that do not come in time, but for blobs: a layer may take an hour. */
export function limitBodyTime(app: FastifyInstance, ms = BODY_MS): void {
  app.addHook('preParsing', async (request, reply, payload) => {
    if (UPLOADS.test(pathOf(request)) || request.raw.complete) return payload
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
