import { archiveInvalid, quoteName } from './archive-error.ts'

/** Paths in image archives have about 80 characters; all paths of an archive are in memory at once. */
const MAX_PATH_LENGTH = 1024

/**
 * The path of an entry without `.` and doubled slashes: `./a//b/` is `a/b`, the root itself is ''.
 *
 * @throws ImgctlError ARCHIVE_INVALID for paths that are absolute, contain `..` or NUL, or are too long
 */
export function entryPath(name: string): string {
  if (name.length > MAX_PATH_LENGTH) throw archiveInvalid(`the name ${quoteName(name)} is too long`)
  if (name.includes('\0')) throw archiveInvalid(`the name ${quoteName(name)} contains NUL`)
  if (name.startsWith('/')) throw archiveInvalid(`the path ${quoteName(name)} is absolute`)
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw archiveInvalid(`the path ${quoteName(name)} leads out of the archive`)
  return parts.join('/')
}

/**
 * Where the symbolic link at `path` points, as a path in the archive.
 *
 * @throws ImgctlError ARCHIVE_INVALID when it points out of the archive
 */
export function symlinkTarget(path: string, target: string): string {
  const outside = () => archiveInvalid(`the link ${quoteName(path)} leads out of the archive`)
  if (target.startsWith('/')) throw outside()
  const parts = path.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '..' && parts.pop() === undefined) throw outside()
    if (part !== '' && part !== '.' && part !== '..') parts.push(part)
  }
  return entryPath(parts.join('/'))
}
