const ARCHIVE_SUFFIX = /\.(?:tar|tgz|tar\.gz|tar\.zst|tar\.xz|tar\.bz2)$/i
const PATH_START = /^(?:\.{1,2}[\\/]|[\\/]|~[\\/]|[A-Za-z]:[\\/])/
const LAYOUT_PREFIX = 'oci:'

/** What an argument means where an image may be the engine's or in an archive. */
export type ImageArgument =
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'archive'; readonly path: string }

/**
 * `oci:DIR` is a layout; what starts like a path, or ends like an archive, is a file; all else is an image in the
 * engine. No file is looked for: what an argument means does not depend on what lies in the current folder.
 */
export function parseImageArgument(text: string): ImageArgument {
  if (text.startsWith(LAYOUT_PREFIX)) return { kind: 'archive', path: text.slice(LAYOUT_PREFIX.length) }
  if (PATH_START.test(text) || ARCHIVE_SUFFIX.test(text)) return { kind: 'archive', path: text }
  return { kind: 'image', reference: text }
}
