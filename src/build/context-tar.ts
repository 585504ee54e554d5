import { constants } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import type { BuildContext } from './context.ts'
import type { ContextEntry } from './context-entry.ts'
import { quote, unreadable } from './file-error.ts'
import { IGNORE_FILE } from './ignore-file.ts'
import { TAR_END, tarHeader, tarPadding } from './tar-header.ts'

/** One read of a file: large enough to be fast, small enough to have two of them in memory. */
const READ_BYTES = 256 * 1024

export interface ContextTarOptions {
  /**
   * Who reads it. The classic builder hides the Dockerfile and the ignore file from COPY as the ignore file in
   * the tar tells it to; BuildKit takes a tar as it is.
   */
  readonly builder: 'buildkit' | 'classic'
  readonly signal?: AbortSignal
  /** Called before an entry is sent. */
  readonly onEntry?: (entry: Pick<ContextEntry, 'path' | 'type' | 'size'>) => void
}

/**
 * The context as a tar, read from the folder while it is sent. Everything belongs to root. The Dockerfile is in
 * it also when it is ignored or lies elsewhere, after all other entries.
 *
 * The stream fails with ImgctlError FILE_UNREADABLE, also for a file that changes its size while it is sent,
 * or with the signal's reason.
 */
export function contextTar(context: BuildContext, options: ContextTarOptions): Readable {
  return Readable.from(chunks(context, options), { objectMode: false })
}

async function* chunks(context: BuildContext, options: ContextTarOptions): AsyncGenerator<Buffer> {
  const { dockerfile } = context
  const sent = { dockerfile: false, ignoreFile: false }
  for await (const entry of context.entries(options.signal)) {
    if (entry.path === dockerfile.name) sent.dockerfile = true
    if (entry.path === IGNORE_FILE) sent.ignoreFile = true
    const more = entry.path === IGNORE_FILE && entry.type === 'file' ? moreRules(context, options) : ''
    if (more === '') yield* one(entry, options)
    else
      yield* made(
        IGNORE_FILE,
        Buffer.concat([await readFile(entry.source), Buffer.from(more)]),
        entry,
        options,
      )
  }
  if (!sent.dockerfile) {
    yield* made(dockerfile.name, dockerfile.content, dockerfile, options)
    if (options.builder === 'classic' && !sent.ignoreFile) {
      const rules = Buffer.from(`${IGNORE_FILE}\n${literally(dockerfile.name)}\n`)
      yield* made(IGNORE_FILE, rules, dockerfile, options)
    }
  }
  yield TAR_END
}

/**
 * Lines for the end of an ignore file that COPY sees. The classic builder reads that file only, and hides from
 * COPY the Dockerfile if it says so; Podman leaves out everything that it says.
 */
function moreRules({ dockerfile, ignoreFile }: BuildContext, { builder }: ContextTarOptions): string {
  if (builder !== 'classic') return ''
  const isHidden = !dockerfile.inContext || ignoreFile.patterns.ignores(dockerfile.name)
  // With an ignore file of the Dockerfile the other one does not count.
  if (ignoreFile.ofDockerfile) return `\n!**\n${isHidden ? `${literally(dockerfile.name)}\n` : ''}`
  return dockerfile.inContext ? '' : `\n${literally(dockerfile.name)}\n`
}

/** A line of an ignore file for just this path. */
function literally(path: string): string {
  return path.replace(/^[#!]|[\\*?[\]^]/g, '\\$&')
}

async function* one(entry: ContextEntry, options: ContextTarOptions): AsyncGenerator<Buffer> {
  if (entry.type === 'file') {
    yield* file(entry, options)
    return
  }
  options.onEntry?.(entry)
  yield tarHeader(entry)
}

async function* made(
  path: string,
  content: Uint8Array,
  { mtime }: { readonly mtime: Date },
  { onEntry }: ContextTarOptions,
): AsyncGenerator<Buffer> {
  const entry = { path, type: 'file', mode: 0o644, mtime, size: content.length } as const
  onEntry?.(entry)
  yield tarHeader(entry)
  yield Buffer.concat([content, tarPadding(content.length)])
}

/** The size that counts is that of the file which was opened. */
async function* file(entry: ContextEntry, options: ContextTarOptions): AsyncGenerator<Buffer> {
  const handle = await openRegular(entry)
  try {
    const { size } = await handle.stat()
    options.onEntry?.({ ...entry, size })
    yield tarHeader({ ...entry, size })
    let read = 0
    for (;;) {
      options.signal?.throwIfAborted()
      const chunk = await nextChunk(handle, entry)
      if (chunk.length === 0) break
      read += chunk.length
      if (read > size) throw changed(entry, 'grew')
      yield chunk
    }
    if (read < size) throw changed(entry, 'shrank')
    yield tarPadding(size)
  } finally {
    await handle.close()
  }
}

async function nextChunk(handle: FileHandle, entry: ContextEntry): Promise<Buffer> {
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES)
    return buffer.subarray(0, bytesRead)
  } catch (cause) {
    throw broken(entry, cause)
  }
}

/** Neither follows a link that came in the file's place, nor waits for a named pipe. */
async function openRegular(entry: ContextEntry): Promise<FileHandle> {
  try {
    const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
    return await open(entry.source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (cause) {
    throw broken(entry, cause)
  }
}

function broken({ path }: ContextEntry, cause: unknown): ImgctlError {
  return unreadable(quote(path), cause, 'name it in .dockerignore when the build does not need it')
}

function changed({ path }: ContextEntry, how: 'grew' | 'shrank'): ImgctlError {
  return new ImgctlError('FILE_UNREADABLE', `${quote(path)} ${how} while it was sent`, {
    hint: 'end the program that writes it, or name it in .dockerignore when the build does not need it',
    retryable: true,
  })
}
