import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { ImgctlError } from '../errors/error.ts'
import type { ContextEntry } from './context-entry.ts'
import { quote, unreadable } from './file-error.ts'

/** One read of a file: large enough to be fast, small enough to have several of them in memory. */
const READ_BYTES = 256 * 1024

const HINT = 'name it in .dockerignore when the build does not need it'

type File = Pick<ContextEntry, 'path' | 'source'>

/**
 * Reads a file of a context. What counts is the file as it is now, not as it was when the folder was listed.
 *
 * @throws ImgctlError FILE_UNREADABLE, also for one that is gone or changes its size while it is read; the signal's
 *   reason
 */
export async function* readContextFile(file: File, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const { chunks, close } = await openContextFile(file)
  try {
    yield* chunks(signal)
  } finally {
    await close()
  }
}

export interface OpenContextFile {
  /** Bytes that the chunks have together. */
  readonly size: number
  readonly chunks: (signal?: AbortSignal) => AsyncGenerator<Buffer>
  /** To be called at the end, also when the chunks were not read. */
  readonly close: () => Promise<void>
}

/** As readContextFile, for who must know the size beforehand. */
export async function openContextFile(file: File): Promise<OpenContextFile> {
  const handle = await openRegular(file)
  try {
    const { size } = await handle.stat()
    return { size, chunks: (signal) => readWhole(handle, size, file, signal), close: () => handle.close() }
  } catch (cause) {
    await handle.close()
    throw broken(file, cause)
  }
}

async function* readWhole(
  handle: FileHandle,
  size: number,
  file: File,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  let read = 0
  for (;;) {
    signal?.throwIfAborted()
    // One byte more than is expected: so a file that ends there is read in one go.
    const chunk = await nextChunk(handle, Math.min(READ_BYTES, size - read + 1), file)
    if (chunk.length === 0) break
    read += chunk.length
    if (read > size) throw changed(file, 'grew')
    yield chunk
  }
  if (read < size) throw changed(file, 'shrank')
}

async function nextChunk(handle: FileHandle, length: number, file: File): Promise<Buffer> {
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length)
    return buffer.subarray(0, bytesRead)
  } catch (cause) {
    throw broken(file, cause)
  }
}

/** Neither follows a link that came in the file's place, nor waits for a named pipe. */
async function openRegular(file: File): Promise<FileHandle> {
  try {
    const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
    return await open(file.source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (cause) {
    throw broken(file, cause)
  }
}

function broken({ path }: File, cause: unknown): ImgctlError {
  return unreadable(quote(path), cause, HINT)
}

function changed({ path }: File, how: 'grew' | 'shrank'): ImgctlError {
  return new ImgctlError('FILE_UNREADABLE', `${quote(path)} ${how} while it was sent`, {
    hint: `end the program that writes it, or ${HINT}`,
    retryable: true,
  })
}
