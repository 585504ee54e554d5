import { createHash, randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDir } from '../../config/paths.ts'
import type { EngineEnvironment } from '../environment.ts'

const FILE = 'build-client-id'
const ID = /^[0-9a-f]{64}$/

/**
 * The key under which an engine keeps what it fetched of a folder, so that the next build fetches only what changed.
 * No other folder, machine or user has the same: BuildKit compares sizes and times of files, which may be equal there
 * although the content differs. Where the id cannot be kept, every build has a key of its own.
 */
export async function sharedKey(folder: string, environment: EngineEnvironment): Promise<string> {
  const { variables, home, platform } = environment
  const id = await clientId(cacheDir({ HOME: home, ...variables }, platform)).catch(newId)
  return createHash('sha256').update(`${id}:${folder}`).digest('hex')
}

async function clientId(folder: string): Promise<string> {
  const path = join(folder, FILE)
  const known = await readFile(path, 'utf8').catch(() => '')
  if (ID.test(known)) return known
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = `${path}.${newId().slice(0, 16)}`
  try {
    const id = newId()
    await writeFile(draft, id, { mode: 0o600, flag: 'wx' })
    if (known !== '') await rm(path, { force: true })
    // Two builds may start at once: the first id stays, whole.
    await link(draft, path).catch(() => undefined)
    const kept = await readFile(path, 'utf8')
    return ID.test(kept) ? kept : id
  } finally {
    await rm(draft, { force: true })
  }
}

function newId(): string {
  return randomBytes(32).toString('hex')
}
