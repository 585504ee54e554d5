import { isCode } from '../errors/error.ts'
import { type Digest, digestBytes } from '../oci/digest.ts'
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from '../oci/image-config.ts'
import { type Index, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from '../oci/manifest.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts'
import { assertDigest } from './verified-content.ts'

export interface ConfigDocument {
  readonly config: ImageConfig
  readonly configBytes: Uint8Array
  readonly configDigest: Digest
}

/**
 * @param promised the digest that a descriptor or the file's name gives the config
 * @throws ImgctlError ARCHIVE_INVALID, DIGEST_MISMATCH
 */
export async function readConfig(
  files: ArchiveFiles,
  file: ArchiveFile,
  promised: Digest | undefined,
): Promise<ConfigDocument> {
  const configBytes = await files.document(file, MAX_CONFIG_BYTES)
  const configDigest = digestBytes(configBytes)
  if (promised?.startsWith('sha256:')) assertDigest(configDigest, promised, file.path)
  const config = inArchive(file.path, () => parseImageConfig(configBytes))
  return { config, configBytes, configDigest }
}

/** @throws ImgctlError ARCHIVE_INVALID */
export async function readManifestFile(
  files: ArchiveFiles,
  file: ArchiveFile,
  mediaType?: string,
): Promise<{ readonly bytes: Uint8Array; readonly parsed: Manifest | Index }> {
  const bytes = await files.document(file, MAX_MANIFEST_BYTES)
  return { bytes, parsed: inArchive(file.path, () => parseManifest(bytes, mediaType)) }
}

/** @throws ImgctlError ARCHIVE_INVALID when the file is too large or not JSON */
export async function readJson(files: ArchiveFiles, file: ArchiveFile): Promise<unknown> {
  const bytes = await files.document(file, MAX_MANIFEST_BYTES)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw archiveInvalid(`${quoteName(file.path)} is not JSON`, cause)
  }
}

/** Makes MANIFEST_INVALID, which knows no file, ARCHIVE_INVALID of the file at `path`. */
function inArchive<T>(path: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (isCode(error, 'MANIFEST_INVALID')) throw archiveInvalid(`${quoteName(path)}: ${error.message}`, error)
    throw error
  }
}
