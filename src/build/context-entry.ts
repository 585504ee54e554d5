import type { BigIntStats } from 'node:fs'
import { open } from 'node:fs/promises'

export type ContextEntryType = 'file' | 'directory' | 'symlink' | 'link' | 'fifo'

/** One thing that a build context holds. */
export interface ContextEntry {
  /** Relative to the context, with slashes. */
  readonly path: string
  readonly type: ContextEntryType
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number
  /** When it was changed: nanoseconds since 1970. */
  readonly mtimeNs: bigint
  /** Bytes of a file; 0 for anything else. */
  readonly size: number
  /** Where a symlink leads, as it says; of a hard link the path of the entry that it is. */
  readonly target?: string
  /** Where a file's bytes are. */
  readonly source: string
}

/** `#!` and ELF's magic number. */
const PROGRAM_STARTS = [Buffer.from('#!'), Buffer.from([0x7f, 0x45, 0x4c, 0x46])]
const PROGRAM_START_BYTES = 4

/** Permissions that may be kept: all that a tar header has. */
const MODE_BITS = 0o7777

/**
 * The mode that is sent. Windows has none: folders and programs (a script's `#!`, ELF) get 755 and other files
 * 644, where docker makes every file executable.
 */
export async function contextMode(
  stats: BigIntStats,
  path: string,
  platform: NodeJS.Platform,
): Promise<number> {
  if (platform !== 'win32') return Number(stats.mode) & MODE_BITS
  if (!stats.isFile()) return 0o755
  return (await isProgram(path)) ? 0o755 : 0o644
}

async function isProgram(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(PROGRAM_START_BYTES),
      0,
      PROGRAM_START_BYTES,
      0,
    )
    const start = buffer.subarray(0, bytesRead)
    return PROGRAM_STARTS.some((magic) => start.subarray(0, magic.length).equals(magic))
  } finally {
    await file.close()
  }
}
