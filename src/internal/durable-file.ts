import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Makes a rename or a new file in `folder` survive a power cut. Windows cannot open folders: there it is a no-op. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a file's content survive a power cut. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Replaces `path` as a whole: a reader sees the old content or the new, never a half, also after a power cut.
 *
 * @param mode the file's permissions, whatever the umask is; its folder is created 0700
 */
export async function writeFileDurably(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  await replaceFile(path, data, mode, (handle) => handle.sync())
  await syncFolder(dirname(path))
}

/**
 * The same without waiting for the disk: after a power cut the file may be empty. For what is checked when it is read,
 * and can be lost.
 */
export function writeFileWhole(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  return replaceFile(path, data, mode, async () => {})
}

async function replaceFile(
  path: string,
  data: string | Uint8Array,
  mode: number,
  sync: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`)
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.chmod(mode)
      await handle.writeFile(data)
      await sync(handle)
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
