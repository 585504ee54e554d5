import { ImgctlError } from '../../errors/error.ts'
import { type Index, isImage, MAX_MANIFEST_BYTES, parseManifest, pickPlatform } from '../../oci/manifest.ts'
import { INDEX_TYPES, MANIFEST_TYPES } from '../../oci/media-types.ts'
import { TAG } from '../../oci/reference.ts'
import { staleTouch } from '../content/links.ts'
import {
  deleteManifest,
  findManifest,
  manifestThatNeeds,
  type StoredManifest,
  storeManifest,
  touchManifest,
} from '../content/manifests.ts'
import { ensureRepository } from '../content/repositories.ts'
import { deleteTag, isStagingTag, tagManifest, tagsOfManifest } from '../content/tags.ts'
import { notePull } from '../images/note-pull.ts'
import { recordTagDelete, recordTagPush } from '../images/record-push.ts'
import type { Trx } from '../store/database.ts'
import { actorOf, type Call, isRelied, repositoryOf } from './call.ts'
import { isPublic, publicTags } from './public-view.ts'
import { manifestUnknown, RegistryError } from './registry-error.ts'
import { requireDigest } from './target.ts'

/** https://github.com/opencontainers/distribution-spec: at least 10 tags with one manifest. */
const MAX_TAGS = 100

/** GET and HEAD of a manifest by digest or tag. A GET is a use of the image, which is noted after the answer. */
export async function getManifest(call: Call) {
  const { ctx, request, reply, access, target } = call
  const manifest = await negotiated(call, await requireManifest(call))
  if (request.method === 'GET') {
    const { organizationId } = access
    const reference = parseReference(target.reference)
    const pull = { organizationId, repository: target.repository.path, reference }
    reply.raw.once('finish', () => notePull(ctx, pull))
  }
  const etag = `"${manifest.digest}"`
  reply.headers({ 'docker-content-digest': manifest.digest, etag, vary: 'Accept' })
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  reply.headers({ 'content-type': manifest.mediaType, 'content-length': manifest.size })
  return request.method === 'HEAD' ? reply.send() : reply.send(Buffer.from(manifest.content))
}

/** PUT of a manifest, by tag or by digest; by digest also with any number of `tag` parameters. */
export async function putManifest(call: Call) {
  const { ctx, request, reply, access, target } = call
  const reference = parseReference(target.reference)
  const tags = 'tag' in reference ? [reference.tag] : call.query.getAll('tag')
  if (tags.length > MAX_TAGS) throw new RegistryError(414, 'UNSUPPORTED', `at most ${MAX_TAGS} tags at once`)
  for (const tag of tags) parseTag(tag)
  const bytes = await readManifest(call)
  const mediaType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  const now = ctx.now()
  const { organizationId } = access
  const { path, full } = target.repository
  const { stored, waiting } = await ctx.db.transaction().execute(async (trx) => {
    const repositoryId = await ensureRepository(trx, { organizationId, path, now })
    const stored = await storeManifest(trx, {
      repositoryId,
      bytes,
      now,
      ...(mediaType ? { mediaType } : {}),
      ...('digest' in reference ? reference : {}),
    })
    const pushed = { organizationId, isImage: isImage(stored.manifest) }
    let waiting = false
    for (const tag of tags) {
      const { digest } = stored
      await tagManifest(trx, { repositoryId, tag, digest, now })
      if (isStagingTag(tag)) continue
      const push = { ...pushed, repository: path, tag, digest, actor: actorOf(call), now }
      if (await recordTagPush(trx, push)) waiting = true
    }
    return { stored, waiting }
  })
  if (waiting) ctx.wakeReconciler()
  const { subject } = stored.manifest
  return reply
    .code(201)
    .headers({
      location: `/v2/${full}/manifests/${stored.digest}`,
      'docker-content-digest': stored.digest,
      ...(subject ? { 'oci-subject': subject.digest } : {}),
      ...('digest' in reference && tags.length > 0 ? { 'oci-tag': tags.join(', ') } : {}),
    })
    .send()
}

/** DELETE of a tag, or of a manifest with its tags. The images of the tags go with them. */
export async function removeManifest(call: Call) {
  const { ctx, reply, target } = call
  const reference = parseReference(target.reference)
  const repositoryId = await repositoryOf(call)
  if (repositoryId === undefined) throw manifestUnknown(target.reference)
  const remove = async (trx: Trx) => {
    if ('tag' in reference) {
      if (!(await deleteTag(trx, repositoryId, reference.tag))) throw manifestUnknown(reference.tag)
      await forgetImage(call, trx, reference.tag)
      return
    }
    const { digest } = reference
    const needer = await manifestThatNeeds(trx, repositoryId, digest)
    if (needer)
      throw new RegistryError(409, 'DENIED', `index ${needer} lists this manifest: delete the index first`)
    for (const tag of await tagsOfManifest(trx, repositoryId, digest)) await forgetImage(call, trx, tag)
    if (!(await deleteManifest(trx, repositoryId, digest))) throw manifestUnknown(digest)
  }
  await ctx.reserve.use(() => ctx.db.transaction().execute(remove))
  return reply.code(202).send()
}

async function forgetImage(call: Call, trx: Trx, tag: string): Promise<void> {
  if (isStagingTag(tag)) return
  const { organizationId } = call.access
  const repository = call.target.repository.path
  await recordTagDelete(trx, { organizationId, repository, tag, actor: actorOf(call), now: call.ctx.now() })
}

async function requireManifest(call: Call): Promise<StoredManifest> {
  const { ctx, access, target } = call
  const reference = parseReference(target.reference)
  const repositoryId = await repositoryOf(call)
  const found = repositoryId === undefined ? undefined : await findManifest(ctx.db, repositoryId, reference)
  if (repositoryId === undefined || !found) throw manifestUnknown(target.reference)
  if (access.publicOnly) {
    const visible =
      'tag' in reference
        ? (await publicTags(ctx.db, access.publicOnly)).has(reference.tag)
        : await isPublic(ctx.db, access.publicOnly, found.digest)
    if (!visible) throw manifestUnknown(target.reference)
  } else if (isRelied(call) && found.touchedAt < staleTouch(ctx.now(), ctx.settings.graceMs)) {
    await touchManifest(ctx.db, repositoryId, found.digest, ctx.now())
  }
  return found
}

/**
 * What is stored, whatever the client accepts: its digest is what was asked for. Only a tag of an index, asked for
 * by a client that knows no indexes, gives the manifest of the first platform.
 */
async function negotiated(call: Call, found: StoredManifest): Promise<StoredManifest> {
  const { ctx, request, target } = call
  if (!INDEX_TYPES.includes(found.mediaType) || !TAG.test(target.reference)) return found
  const accepted = request.headers.accept ?? ''
  const accepts = (types: readonly string[]) => types.some((type) => accepted.includes(type))
  if (!accepts(MANIFEST_TYPES) || accepts(INDEX_TYPES) || accepted.includes('*/*')) return found
  const index = parseManifest(found.content, found.mediaType) as Index
  const [platform] = ctx.settings.platforms
  const entry = platform && pickPlatform(index, platform)
  const repositoryId = await repositoryOf(call)
  if (!entry || repositoryId === undefined) return found
  return (await findManifest(ctx.db, repositoryId, { digest: entry.digest })) ?? found
}

async function readManifest({ request }: Call): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.raw.iterator({ destroyOnReturn: false })) {
    size += chunk.length
    if (size > MAX_MANIFEST_BYTES) {
      throw new ImgctlError('TOO_LARGE', `a manifest may have at most ${MAX_MANIFEST_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parseReference(text: string) {
  return text.includes(':') ? { digest: requireDigest(text) } : { tag: parseTag(text) }
}

function parseTag(text: string): string {
  if (TAG.test(text)) return text
  throw new RegistryError(
    400,
    'MANIFEST_INVALID',
    'a tag has letters, digits, . _ - (not first), at most 128',
    {
      detail: { tag: text },
    },
  )
}
