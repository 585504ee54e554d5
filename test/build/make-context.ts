import { execFile } from 'node:child_process'
import { chmod, chown, link, lutimes, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { CaseEntry, ContextCase } from './context-cases.ts'

const run = promisify(execFile)

/** Every file of a case has it. */
export const MTIME = new Date('2024-01-02T03:04:05Z')

/** Makes a case's folder; modes do not depend on the umask. */
export async function makeContext(folder: string, { files }: Pick<ContextCase, 'files'>): Promise<void> {
  await mkdir(join(folder, 'context'), { recursive: true })
  await chmod(join(folder, 'context'), 0o755)
  for (const [path, entry] of Object.entries(files)) {
    await makeFolders(folder, dirname(path))
    await makeEntry(folder, path, entry)
  }
  for (const path of Object.keys(files)) await lutimes(join(folder, path), MTIME, MTIME)
  // A folder that nobody may enter is closed when all is in it.
  for (const [path, entry] of Object.entries(files)) {
    if (typeof entry !== 'string' && 'folder' in entry) await chmod(join(folder, path), entry.mode ?? 0o755)
  }
}

async function makeEntry(folder: string, path: string, entry: CaseEntry): Promise<void> {
  const full = join(folder, path)
  if (typeof entry === 'string') return makeFile(full, entry, 0o644)
  if ('text' in entry) {
    await makeFile(full, entry.text, entry.mode ?? 0o644)
    if (entry.owner !== undefined && process.getuid?.() === 0) await chown(full, entry.owner, entry.owner)
  } else if ('bytes' in entry) await makeFile(full, Uint8Array.from(entry.bytes), 0o644)
  else if ('folder' in entry) await mkdir(full, { recursive: true })
  else if ('symlink' in entry) await symlink(entry.symlink, full)
  else if ('hardlink' in entry) await link(join(folder, 'context', entry.hardlink), full)
  else if (entry.special === 'fifo') await run('mkfifo', ['-m', '644', full])
  else await makeSocket(full)
}

async function makeFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await writeFile(path, content)
  await chmod(path, mode)
}

async function makeFolders(folder: string, path: string): Promise<void> {
  if (path === '.') return
  await makeFolders(folder, dirname(path))
  const made = await mkdir(join(folder, path), { recursive: true })
  if (made !== undefined) await chmod(join(folder, path), 0o755)
}

/** A socket's file goes when its server closes, and its path must be short: it is made elsewhere and moved. */
async function makeSocket(path: string): Promise<void> {
  const short = join(tmpdir(), `imgctl-socket-${process.pid}`)
  await rm(short, { force: true })
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(short, resolve))
  await rename(short, path)
  await chmod(path, 0o644)
  await new Promise((resolve) => server.close(resolve))
}
