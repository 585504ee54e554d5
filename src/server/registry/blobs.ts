import type { OutgoingHttpHeaders } from 'node:http'
import { isCode } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ByteRange } from '../content/blob-store.ts'
import { removeBlobs } from '../content/collect.ts'
import { findBlob, staleTouch, touchBlob, unlinkBlob } from '../content/links.ts'
import { manifestThatNeeds } from '../content/manifests.ts'
import type { Trx } from '../store/database.ts'
import { type Call, isRelied, repositoryOf } from './call.ts'
import { isPublic } from './public-view.ts'
import { requestedRange } from './ranges.ts'
import { blobUnknown, RegistryError } from './registry-error.ts'
import { requireDigest } from './target.ts'

/** GET and HEAD of a blob, whole or a range. */
export async function getBlob(call: Call) {
  const { ctx, request, reply, access, target } = call
  const digest = requireDigest(target.reference)
  const repositoryId = await repositoryOf(call)
  const blob = repositoryId === undefined ? undefined : await findBlob(ctx.db, repositoryId, digest)
  if (repositoryId === undefined || !blob) throw blobUnknown(digest)
  if (access.publicOnly && !(await isPublic(ctx.db, access.publicOnly, digest))) throw blobUnknown(digest)
  if (isRelied(call) && blob.touchedAt < staleTouch(ctx.now(), ctx.settings.graceMs)) {
    await touchBlob(ctx.db, repositoryId, digest, ctx.now())
  }
  const etag = `"${digest}"`
  reply.headers({ 'docker-content-digest': digest, etag, 'accept-ranges': 'bytes' })
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  reply.header('content-type', 'application/octet-stream')

  const ifRange = request.headers['if-range']
  const header = ifRange === undefined || ifRange === etag ? request.headers.range : undefined
  const range = request.method === 'GET' ? requestedRange(header, blob.size) : undefined
  if (range) {
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${blob.size}`)
  }
  reply.header('content-length', range ? range.end - range.start + 1 : blob.size)
  if (request.method === 'HEAD') return reply.send()
  return sendBlob(call, digest, range ?? { start: 0, end: blob.size - 1 })
}

/** Past the framework, whose streams would take new memory for every chunk. */
async function sendBlob({ ctx, request, reply }: Call, digest: Digest, range: ByteRange) {
  const blob = await ctx.blobs.open(digest).catch((error: unknown) => {
    throw isCode(error, 'BLOB_MISSING') ? blobUnknown(digest) : error
  })
  reply.hijack()
  const { raw } = reply
  raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders)
  try {
    await blob.sendTo(raw, range)
    raw.end()
  } catch (error) {
    // A cut connection is the only way to tell after the headers.
    if (!raw.destroyed) request.log.error({ err: error }, 'sending a blob failed')
    raw.destroy()
  }
  return reply
}

/** DELETE of a blob: from this repository, and from the disk when no other has it. Not what a manifest needs. */
export async function deleteBlob(call: Call) {
  const { ctx, reply, target } = call
  const digest = requireDigest(target.reference)
  const repositoryId = await repositoryOf(call)
  if (repositoryId === undefined) throw blobUnknown(digest)
  const unlink = async (trx: Trx) => {
    const needer = await manifestThatNeeds(trx, repositoryId, digest)
    if (needer) {
      throw new RegistryError(409, 'DENIED', `manifest ${needer} needs this blob: delete the manifest first`)
    }
    return unlinkBlob(trx, repositoryId, digest)
  }
  const unlinked = await ctx.reserve.use(() => ctx.db.transaction().execute(unlink))
  if (!unlinked) throw blobUnknown(digest)
  await ctx.reserve.use(() => removeBlobs(ctx, [digest]))
  await ctx.reserve.refill()
  return reply.code(202).send()
}
