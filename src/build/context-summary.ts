import type { ContextEntry } from './context-entry.ts'

/** Enough to see what makes a context large. */
const LARGEST = 5

export interface ContextSummary {
  /** Entries that are no folders. */
  readonly files: number
  /** Bytes of the files, without what a tar adds. */
  readonly bytes: number
  /** The largest files, largest first. */
  readonly largest: readonly { readonly path: string; readonly bytes: number }[]
}

/** Counts entries of a context while they pass. */
export class ContextTally {
  #files = 0
  #bytes = 0
  #largest: { path: string; bytes: number }[] = []

  add({ type, path, size }: Pick<ContextEntry, 'type' | 'path' | 'size'>): void {
    if (type !== 'directory') this.#files++
    this.#bytes += size
    if (size === 0 || size <= (this.#largest[LARGEST - 1]?.bytes ?? 0)) return
    this.#largest = [...this.#largest, { path, bytes: size }]
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, LARGEST)
  }

  summary(): ContextSummary {
    return { files: this.#files, bytes: this.#bytes, largest: this.#largest }
  }
}

/** What would be sent, without reading any file. */
export async function summarizeEntries(entries: AsyncIterable<ContextEntry>): Promise<ContextSummary> {
  const tally = new ContextTally()
  for await (const entry of entries) tally.add(entry)
  return tally.summary()
}
