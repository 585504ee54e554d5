import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { ImgctlError } from '../../errors/error.ts'
import { type Digest, type DigestAlgorithm, digestAlgorithm } from '../../oci/digest.ts'
import { ensureRepository } from '../content/repositories.ts'
import { assertWithinStorage } from '../content/storage-quota.ts'
import { keepBlob } from '../content/store-blob.ts'
import type { Upload } from '../content/upload-file.ts'
import type { Trx } from '../store/database.ts'
import { blobLocation, type Call, contentLength, repositoryOf } from './call.ts'
import { mountFrom } from './mount.ts'
import { chunkRange, receivedRange } from './ranges.ts'
import { RegistryError } from './registry-error.ts'
import { requireDigest } from './target.ts'

/** An upload that nothing was added to for this long is dropped. */
const UPLOAD_MS = 24 * 60 * 60 * 1000
/** The end of an upload's life is written again only when this much of it has passed. */
const EXTEND_AFTER_MS = 60 * 60 * 1000
/** A client that sends nothing for this long is gone; what it sent stays. */
const SILENCE_MS = 60 * 1000

/** POST: begins an upload, or links or stores the blob at once (`mount`, `digest`). */
export async function startUpload(call: Call) {
  const { query, reply, target } = call
  const mount = query.get('mount')
  if (mount !== null) {
    const digest = requireDigest(mount)
    if (await mountFrom(call, digest)) return sendCreated(call, digest)
  }
  const wanted = query.get('digest')
  const digest = wanted === null ? undefined : requireDigest(wanted)
  const id = await createUpload(call, digest ? digestAlgorithm(digest) : requestedAlgorithm(query))
  if (digest === undefined) {
    return reply
      .code(202)
      .headers({ location: uploadPath(call, id), 'docker-upload-uuid': id, range: receivedRange(0) })
      .send()
  }
  try {
    await call.ctx.blobs.uploads.use(id, async (upload) => {
      await receive(call, upload)
      await finish(call, upload, id, digest)
    })
  } finally {
    // Nobody knows the id, so nobody could go on with it.
    await dropUpload(call, id)
  }
  return sendCreated(call, digest, target.repository.full)
}

/** PATCH: the next chunk, or all the rest as a stream. */
export async function appendToUpload(call: Call) {
  const id = await requireUpload(call)
  const size = await useUpload(call, id, async (upload) => {
    await receive(call, upload)
    return upload.size
  })
  return call.reply
    .code(202)
    .headers(uploadHeaders(call, id, size))
    .send()
}

/** PUT: the last chunk if there is a body, and the end of the upload. */
export async function finishUpload(call: Call) {
  const digest = requireDigest(call.query.get('digest') ?? undefined)
  const id = await requireUpload(call)
  await useUpload(call, id, async (upload) => {
    if (contentLength(call) !== 0) await receive(call, upload)
    await finish(call, upload, id, digest)
  })
  return sendCreated(call, digest)
}

export async function getUpload(call: Call) {
  const id = await requireUpload(call)
  const size = (await call.ctx.blobs.uploads.size(id)) ?? 0
  return call.reply
    .code(204)
    .headers(uploadHeaders(call, id, size))
    .send()
}

export async function cancelUpload(call: Call) {
  const id = await requireUpload(call)
  await dropUpload(call, id)
  return call.reply.code(204).send()
}

async function createUpload(call: Call, algorithm: DigestAlgorithm): Promise<string> {
  const { ctx, access, target } = call
  const id = randomUUID()
  await ctx.blobs.uploads.create(id, algorithm)
  const now = ctx.now()
  await ctx.db.transaction().execute(async (trx) => {
    const { organizationId } = access
    const repositoryId = await ensureRepository(trx, { organizationId, path: target.repository.path, now })
    await trx
      .insertInto('uploads')
      .values({ id, repositoryId, createdAt: now, expiresAt: now + UPLOAD_MS })
      .execute()
  })
  return id
}

/** The upload of the URL when it belongs to the URL's repository; its life begins anew. */
async function requireUpload(call: Call): Promise<string> {
  const { ctx, target } = call
  const id = target.reference
  const row = await ctx.db
    .selectFrom('uploads')
    .select(['repositoryId', 'expiresAt'])
    .where('id', '=', id)
    .executeTakeFirst()
  const now = ctx.now()
  const isHere = row && row.expiresAt > now && row.repositoryId === (await repositoryOf(call))
  if (!isHere || (await ctx.blobs.uploads.size(id)) === undefined) {
    throw new RegistryError(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to this repository')
  }
  if (row.expiresAt < now + UPLOAD_MS - EXTEND_AFTER_MS) {
    await ctx.db
      .updateTable('uploads')
      .set({ expiresAt: now + UPLOAD_MS })
      .where('id', '=', id)
      .execute()
  }
  return id
}

/** As UploadFiles.use; what the upload did not survive (a wrong digest, a full disk) also ends its row. */
async function useUpload<T>(call: Call, id: string, action: (upload: Upload) => Promise<T>): Promise<T> {
  const { uploads } = call.ctx.blobs
  try {
    return await uploads.use(id, action)
  } catch (error) {
    if ((await uploads.size(id)) === undefined) await dropUpload(call, id)
    throw error
  }
}

/** Appends the request's body where the client says it belongs: only at the end. */
async function receive(call: Call, upload: Upload): Promise<void> {
  const { ctx, request, target, access } = call
  const { imageBytes, storagePerOrganization } = ctx.settings.limits
  // Who has too much already need not send it. Whether this is too much shows at the end: it may be there by then.
  await assertWithinStorage(ctx.db, access.organizationId, storagePerOrganization)
  const length = contentLength(call)
  const range = chunkRange(request.headers['content-range'], length)
  const before = upload.size
  if (range && range.start !== before) {
    throw new RegistryError(416, 'BLOB_UPLOAD_INVALID', `the next byte of this upload is ${before}`, {
      headers: uploadHeaders(call, target.reference, before),
    })
  }
  if (before + (length ?? 0) > imageBytes) {
    throw new RegistryError(413, 'SIZE_INVALID', `a blob may have at most ${imageBytes} bytes here`)
  }
  await appendBody(request.raw, upload, imageBytes)
  if (range && upload.size !== range.end + 1) {
    throw new RegistryError(400, 'SIZE_INVALID', 'the chunk was not as long as its Content-Range')
  }
}

/** As Upload.append; a client that falls silent is cut off. */
async function appendBody(body: IncomingMessage, upload: Upload, maxBytes: number): Promise<void> {
  body.setTimeout(SILENCE_MS, () => {
    body.destroy(new ImgctlError('TIMEOUT', `no byte came for ${SILENCE_MS / 1000} seconds`))
  })
  try {
    await upload.append(body, maxBytes)
  } finally {
    // What follows may take its time while the client rightly says nothing.
    body.setTimeout(0)
  }
}

/** Durable and linked when it resolves: only then the client may hear of it. */
async function finish(call: Call, upload: Upload, id: string, digest: Digest): Promise<void> {
  const { ctx, access, target } = call
  const { organizationId } = access
  const place = async (trx: Trx) => {
    const { path } = target.repository
    const repositoryId = await ensureRepository(trx, { organizationId, path, now: ctx.now() })
    await trx.deleteFrom('uploads').where('id', '=', id).execute()
    return { organizationId, repositoryId }
  }
  await keepBlob(ctx, place, (link) => upload.finish(digest, link))
}

/** The file first: on a full disk it is the space that counts. Without its file an upload is unknown. */
async function dropUpload({ ctx }: Call, id: string): Promise<void> {
  await ctx.blobs.uploads.remove(id)
  await ctx.reserve.use(() => ctx.db.deleteFrom('uploads').where('id', '=', id).execute())
}

function sendCreated({ reply, target }: Call, digest: Digest, name = target.repository.full) {
  return reply
    .code(201)
    .headers({ location: blobLocation(name, digest), 'docker-content-digest': digest })
    .send()
}

function requestedAlgorithm(query: URLSearchParams): DigestAlgorithm {
  const algorithm = query.get('digest-algorithm') ?? 'sha256'
  if (algorithm === 'sha256' || algorithm === 'sha512') return algorithm
  throw new RegistryError(400, 'DIGEST_INVALID', 'the digest algorithm is sha256 or sha512')
}

function uploadHeaders(call: Call, id: string, size: number): Record<string, string> {
  return { location: uploadPath(call, id), range: receivedRange(size), 'docker-upload-uuid': id }
}

function uploadPath({ target }: Call, id: string): string {
  return `/v2/${target.repository.full}/blobs/uploads/${id}`
}
