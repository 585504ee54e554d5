import { randomUUID } from 'node:crypto'
import { access, constants, type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { ImgctlError } from '../errors/error.ts'
import { archiveInvalid } from './archive-error.ts'
import { errorCode } from './file-access.ts'
import { BLOCK, isTarHeader, isZeroBlock } from './tar-header.ts'
import { notATar } from './tar-walk.ts'

/** Archives of 100 GB are real; more from one gzip file is a decompression bomb. */
export const MAX_SPOOLED_BYTES = 128 * 1024 ** 3
/** Fewer, larger writes than zlib's own 16 KiB. */
const GUNZIP_CHUNK_BYTES = 256 * 1024

export interface SpoolOptions {
  /** Where the temporary file goes; see temporaryFolder. */
  readonly folder?: string
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

export interface Spooled {
  readonly handle: FileHandle
  readonly size: number
}

/**
 * Decompresses a gzip'd tar to a private temporary file, since a compressed one cannot be read from the
 * middle. The file has no name from the start, so nothing is left behind, however we end.
 *
 * @throws ImgctlError ARCHIVE_INVALID (not gzip, cut short, not a tar: seen at its first block), TOO_LARGE,
 *   DISK_FULL
 */
export async function spoolGunzipped(
  source: AsyncIterable<Uint8Array>,
  { folder, maxBytes = MAX_SPOOLED_BYTES, signal }: SpoolOptions = {},
): Promise<Spooled> {
  const handle = await openNameless(folder ?? (await temporaryFolder()))
  let size = 0
  try {
    await pipeline(
      source,
      createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES }),
      async (chunks: AsyncIterable<Uint8Array>) => {
        for await (const chunk of startsAsTar(chunks)) {
          if (size + chunk.length > maxBytes) throw tooLarge(maxBytes)
          await writeAt(handle, chunk, size)
          size += chunk.length
        }
      },
      signal ? { signal } : {},
    )
    return { handle, size }
  } catch (error) {
    await handle.close()
    signal?.throwIfAborted()
    if (error instanceof ImgctlError) throw error
    const cut = errorCode(error) === 'Z_BUF_ERROR'
    throw archiveInvalid(cut ? 'its gzip data is cut short' : 'its gzip data is damaged', error)
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
    throw writeError('the decompressed archive cannot be written to the temporary folder', cause)
  }
}

function writeError(message: string, cause: unknown): ImgctlError {
  const code = errorCode(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ImgctlError('DISK_FULL', 'the disk is full: no room to decompress the archive', {
      hint: 'set TMPDIR to a folder with more room, or decompress the archive yourself',
      cause,
    })
  }
  return new ImgctlError('FILE_UNREADABLE', `${message}: ${code ?? 'write error'}`, {
    hint: 'set TMPDIR to a folder that can be written',
    cause,
  })
}

function tooLarge(maxBytes: number): ImgctlError {
  return new ImgctlError('TOO_LARGE', `the archive decompresses to more than ${maxBytes} bytes`, {
    hint: 'if that is right, decompress it yourself: a plain tar has no such limit',
  })
}
