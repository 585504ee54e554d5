/** How the bytes of a layer are stored, told by their first bytes, not by a media type. */
export type Compression = 'none' | 'gzip' | 'zstd'

/** Bytes from a file's start that `sniffCompression` needs. */
export const MAGIC_BYTES = 6

/** How a whole archive may be compressed: as layers, or by what people have at hand. */
export type ArchiveCompression = Compression | 'bzip2' | 'xz'

/**
 * https://www.rfc-editor.org/rfc/rfc1952, rfc8878, sourceware.org/bzip2, tukaani.org/xz/xz-file-format.txt
 */
const MAGIC: readonly (readonly [ArchiveCompression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
]

/** How a file is compressed, told by its first bytes. */
export function sniffCompression(head: Uint8Array): ArchiveCompression {
  const match = MAGIC.find(([, magic]) => magic.every((byte, i) => head[i] === byte))
  return match?.[0] ?? 'none'
}
