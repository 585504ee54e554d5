import { ImgctlError } from '../errors/error.ts'
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import { OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../oci/media-types.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts'
import type { LayerDescription } from './archive-image.ts'
import type { Compression } from './compression.ts'
import { MAGIC_BYTES, sniffCompression } from './compression.ts'

export const LAYER_TYPES: Readonly<Record<Compression, string>> = {
  none: OCI_LAYER,
  gzip: OCI_LAYER_GZIP,
  zstd: OCI_LAYER_ZSTD,
}

/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md#blobs */
export function blobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`
}

/** The digest that a path promises, undefined when it is no blob's path. */
export function blobDigest(path: string): Digest | undefined {
  const [folder, algorithm, hex, ...rest] = path.split('/')
  const digest = `${algorithm}:${hex}`
  return folder === 'blobs' && rest.length === 0 && isDigest(digest) ? digest : undefined
}

/** @throws ImgctlError ARCHIVE_INVALID when the blob is missing or of another size */
export async function requireBlob(
  files: ArchiveFiles,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  what: string,
): Promise<ArchiveFile> {
  const file = await files.require(blobPath(digest), what)
  if (file.size !== size) {
    throw archiveInvalid(
      `${what} ${quoteName(file.path)} has ${file.size} bytes, its descriptor says ${size}`,
    )
  }
  return file
}

/**
 * What is known of a layer from its path, its first bytes, and its descriptor when a manifest has one.
 *
 * @throws ImgctlError ARCHIVE_INVALID; DIGEST_MISMATCH when diffID and descriptor contradict each other
 */
export async function describeLayer(
  files: ArchiveFiles,
  { path, size }: ArchiveFile,
  diffID: Digest,
  described?: Descriptor,
): Promise<LayerDescription> {
  const compression = sniffCompression(await files.head({ path, size }, MAGIC_BYTES))
  if (compression === 'bzip2' || compression === 'xz') {
    throw archiveInvalid(
      `layer ${quoteName(path)} is compressed with ${compression}, which no registry accepts`,
    )
  }
  const base = { path, diffID, compression, storedSize: size }
  const promised = blobDigest(path)
  const descriptor =
    described ?? (promised ? { mediaType: LAYER_TYPES[compression], digest: promised, size } : undefined)
  if (descriptor === undefined) return base
  if (compression === 'none') assertSameDigest(path, diffID, descriptor.digest)
  return { ...base, descriptor }
}

/** Uncompressed bytes have one digest, so the config and the blob's name must agree on it. */
function assertSameDigest(path: string, diffID: Digest, digest: Digest): void {
  if (digest === diffID || digestAlgorithm(digest) !== digestAlgorithm(diffID)) return
  throw new ImgctlError(
    'DIGEST_MISMATCH',
    `layer ${quoteName(path)} is not compressed, but the config calls it ${diffID}`,
  )
}
