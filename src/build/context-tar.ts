import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { BuildContext } from './context.ts'
import type { ContextEntry } from './context-entry.ts'
import { openContextFile } from './context-file.ts'
import { IGNORE_FILE } from './ignore-file.ts'
import { TAR_END, tarHeader, tarPadding } from './tar-header.ts'

export interface ContextTarOptions {
  readonly signal?: AbortSignal
  /** Called before an entry is sent. */
  readonly onEntry?: (entry: Pick<ContextEntry, 'path' | 'type' | 'size'>) => void
}

/**
 * The context as a tar for the classic builder and Podman, which hide the Dockerfile and the ignore file from COPY as
 * the ignore file in the tar says. It is read from the folder while it is sent; everything belongs to root. The
 * Dockerfile is in
 * it also when it is ignored or lies elsewhere, after all other entries.
 *
 * The stream fails with ImgctlError FILE_UNREADABLE, also for a file that changes its size while it is sent,
 * or with the signal's reason.
 */
export function contextTar(context: BuildContext, options: ContextTarOptions = {}): Readable {
  return Readable.from(chunks(context, options), { objectMode: false })
}

async function* chunks(context: BuildContext, options: ContextTarOptions): AsyncGenerator<Buffer> {
  const { dockerfile } = context
  const sent = { dockerfile: false, ignoreFile: false }
  for await (const entry of context.entries(options)) {
    if (entry.path === dockerfile.name) sent.dockerfile = true
    if (entry.path === IGNORE_FILE) sent.ignoreFile = true
    const more = entry.path === IGNORE_FILE && entry.type === 'file' ? moreRules(context) : ''
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
    if (!sent.ignoreFile) {
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
function moreRules({ dockerfile, ignoreFile }: BuildContext): string {
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
  { mtimeNs }: { readonly mtimeNs: bigint },
  { onEntry }: ContextTarOptions,
): AsyncGenerator<Buffer> {
  const entry = { path, type: 'file', mode: 0o644, mtimeNs, size: content.length } as const
  onEntry?.(entry)
  yield tarHeader(entry)
  yield Buffer.concat([content, tarPadding(content.length)])
}

async function* file(entry: ContextEntry, options: ContextTarOptions): AsyncGenerator<Buffer> {
  const { size, chunks, close } = await openContextFile(entry)
  try {
    options.onEntry?.({ ...entry, size })
    yield tarHeader({ ...entry, size })
    yield* chunks(options.signal)
  } finally {
    await close()
  }
  yield tarPadding(size)
}
