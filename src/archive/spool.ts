import { randomUUID } from 'node:crypto'
import { access, constants, type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImgctlError } from '../errors/error.ts'
import { isDiskFull, systemCode } from '../internal/system-code.ts'
import type { ArchiveCompression } from './compression.ts'
import { decompressed, type ExpansionLimits } from './decompress.ts'
import { BLOCK, isTarHeader, isZeroBlock } from './tar-header.ts'
import { notATar } from './tar-walk.ts'
import { untilAborted } from './verified-content.ts'

export interface SpoolOptions extends ExpansionLimits {
  /** Where the temporary file goes; see temporaryFolder. */
  readonly folder?: string
  readonly signal?: AbortSignal
}

export interface Spooled {
  readonly handle: FileHandle
  readonly size: number
}

/**
 * Keeps a tar that arrives as a stream, compressed or not, in a private temporary file, uncompressed, since an
 * archive is read from the middle and more than once. The file has no name from the start, so nothing is left
 * behind, however we end.
 *
 * @throws ImgctlError ARCHIVE_INVALID (damaged, cut short, not a tar: seen at its first block), TOO_LARGE,
 *   DISK_FULL, UNSUPPORTED; what `source` throws
 */
export async function spoolTar(
  source: AsyncIterable<Uint8Array>,
  compression: ArchiveCompression,
  { folder, signal, ...limits }: SpoolOptions = {},
): Promise<Spooled> {
  const tar = compression === 'none' ? source : decompressed(source, compression, undefined, limits)
  return spool(startsAsTar(tar), { ...(folder ? { folder } : {}), ...(signal ? { signal } : {}) })
}

/**
 * Keeps what a stream brings in a temporary file without a name.
 *
 * @throws ImgctlError DISK_FULL, FILE_UNREADABLE; what `source` throws
 */
export async function spool(
  source: AsyncIterable<Uint8Array>,
  { folder, signal }: Pick<SpoolOptions, 'folder' | 'signal'> = {},
): Promise<Spooled> {
  const handle = await openNameless(folder ?? (await temporaryFolder()))
  let size = 0
  try {
    for await (const chunk of untilAborted(signal, source)) {
      await writeAt(handle, chunk, size)
      size += chunk.length
    }
    return { handle, size }
  } catch (error) {
    await handle.close()
    signal?.throwIfAborted()
    throw error
  }
}

/** Passes chunks on once they begin as a tar does: what is not one must not fill the disk first. */
async function* startsAsTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | undefined = new Uint8Array(0)
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < BLOCK) continue
    const block = head.subarray(0, BLOCK)
    if (!isTarHeader(block) && !isZeroBlock(block)) throw notATar()
    yield head
    head = undefined
  }
  if (head !== undefined) throw notATar()
}

/**
 * TMPDIR when it is set. Instead of /tmp itself, which is often memory, /var/tmp: the place for large files
 * (https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch05s15.html).
 */
async function temporaryFolder(): Promise<string> {
  if (tmpdir() !== '/tmp') return tmpdir()
  const writable = await access('/var/tmp', constants.W_OK).then(
    () => true,
    () => false,
  )
  return writable ? '/var/tmp' : '/tmp'
}

async function openNameless(folder: string): Promise<FileHandle> {
  const path = join(folder, `imgctl-${randomUUID()}`)
  let handle: FileHandle
  try {
    handle = await open(path, 'wx+', 0o600)
  } catch (cause) {
    throw writeError(`a temporary file cannot be made in ${folder}`, cause)
  }
  try {
    // Works on Windows too, as Node opens files: there the name goes at the latest when the file is closed.
    await unlink(path)
    return handle
  } catch (cause) {
    await handle.close()
    throw writeError(`a temporary file cannot be removed in ${folder}`, cause)
  }
}

async function writeAt(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  try {
    for (let written = 0; written < chunk.length; ) {
      const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, position + written)
      written += bytesWritten
    }
  } catch (cause) {
    throw writeError('the archive cannot be kept in the temporary folder', cause)
  }
}

function writeError(message: string, cause: unknown): ImgctlError {
  if (isDiskFull(cause)) {
    return new ImgctlError(
      'DISK_FULL',
      'the disk is full: no room to keep the archive in the temporary folder',
      {
        hint: 'set TMPDIR to a folder with more room, or give the archive as a plain tar file',
        cause,
      },
    )
  }
  return new ImgctlError('FILE_UNREADABLE', `${message}: ${systemCode(cause) ?? 'write error'}`, {
    hint: 'set TMPDIR to a folder that can be written',
    cause,
  })
}
