import type { Image } from '../../contract/image.ts'
import { ImgctlError, isCode } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import { formatImageName, type ImageName } from '../../oci/image-name.ts'
import { parseManifest } from '../../oci/manifest.ts'
import type { ManifestContent, ManifestReader, Repository } from '../../ports/registry.ts'
import type { ServerImages } from '../../ports/server.ts'
import type { ImageSource } from './source.ts'

/**
 * Looks whether the name is the very image that is pushed: then nothing has to be read or sent.
 *
 * @returns its manifest, or undefined when the name is free or it cannot be told without a transfer
 * @throws ImgctlError NAME_TAKEN when it is certainly another image
 */
export async function findSameImage(
  server: ServerImages,
  repository: ManifestReader,
  source: ImageSource,
  name: ImageName,
  signal: AbortSignal | undefined,
): Promise<ManifestContent | undefined> {
  const image = await findImage(server, name, signal)
  if (!image?.digest) return undefined
  const digest = image.digest as Digest
  const content = await repository.readManifest(digest, signal)
  const manifest = parseManifest(content.bytes, content.mediaType)
  const config = manifest.kind === 'manifest' ? manifest.config.digest : undefined
  const isSame = source.manifestDigests.includes(digest) || (config && config === source.configDigest)
  if (isSame) return content
  // A source that does not know its config (an engine with the containerd store) cannot tell: the server will.
  if (config && source.configDigest) throw nameTaken(image)
  return undefined
}

/** Confirms that the name now stands for the digest that was pushed. */
export async function confirmTag(
  repository: ManifestReader,
  name: ImageName,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = await repository.manifestDigest(name.tag, signal)
  if (found === digest) return
  throw new ImgctlError(
    'CONFLICT',
    `${formatImageName(name)} was moved by someone else while it was registered`,
    {
      hint: `see who: imgctl image inspect --remote ${formatImageName(name)}`,
    },
  )
}

/** Confirms that a tag stands for what was pushed. @throws ImgctlError DIGEST_MISMATCH */
export async function confirmContent(
  repository: Repository,
  tag: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = await repository.manifestDigest(tag, signal)
  if (found !== digest) throw otherContent(repository, tag, digest, found)
}

/** The same, for what was not made here: it is read. */
export async function confirmedContent(
  repository: Repository,
  tag: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<ManifestContent> {
  const content = await repository.readManifest(tag, signal)
  if (content.digest !== digest) throw otherContent(repository, tag, digest, content.digest)
  return content
}

function otherContent(
  { location }: Repository,
  tag: string,
  digest: Digest,
  found: Digest | undefined,
): ImgctlError {
  const { host, repository: path } = location
  return new ImgctlError(
    'DIGEST_MISMATCH',
    `registry ${host} has ${found ?? 'nothing'} as ${path}:${tag}, and ${digest} was pushed`,
    {
      hint: 'another push may have moved the tag meanwhile; if not, the registry does not keep what it is sent',
    },
  )
}

function nameTaken(image: Image): ImgctlError {
  const { name, digest } = image
  return new ImgctlError(
    'NAME_TAKEN',
    `the name ${name} is taken by another image (${digest?.slice(0, 19)})`,
    {
      hint: `push under another tag (--name), or delete it first (imgctl image delete ${name}), or use the one that is there (${name}@${digest})`,
    },
  )
}

async function findImage(
  server: ServerImages,
  name: ImageName,
  signal: AbortSignal | undefined,
): Promise<Image | undefined> {
  try {
    return await server.image(formatImageName(name), signal)
  } catch (error) {
    if (isCode(error, 'IMAGE_NOT_FOUND', 'NOT_FOUND')) return undefined
    throw error
  }
}
