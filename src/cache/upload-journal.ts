import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isAlive } from '../internal/process-alive.ts'
import type { SavedUpload, UploadJournal, UploadRecord } from '../ports/upload-journal.ts'

/** Registries drop sessions that nobody goes on with; ours, and CNCF distribution, after a day or more. */
const KEPT_MS = 24 * 3_600_000
/** Process ids say something on one machine only, and home folders are shared. */
const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
/** The journals of this process. Its id alone may be that of a process that is gone. */
const OWN_JOURNALS = new Set<string>()
/** `<upload>.<machine>-<pid>-<random>.json` */
const NAME = /^([0-9a-f]{64})\.(([0-9a-f]{8})-(\d+)-[0-9a-f]+)\.json$/
/** The same, and what is written becomes one. Whatever else is in the folder is not ours. */
const OWN_NAME = /^[0-9a-f]{64}\.[0-9a-f]{8}-\d+-[0-9a-f]+\.json(?:\.tmp)?$/

export interface UploadFile {
  readonly path: string
  readonly size: number
  readonly savedAt: number
}

interface Saved extends SavedUpload {
  readonly registry: string
}

/**
 * The journal in a folder, one file per upload. Its name says which process works on it: a file of a process that is
 * gone is taken by renaming it, which only one process can. So no lock is needed, and two pushes of one image at once
 * never use one session.
 */
export class FileUploadJournal implements UploadJournal {
  readonly #folder: string
  readonly #now: () => number
  readonly #own = `${MACHINE}-${process.pid}-${randomBytes(4).toString('hex')}`

  constructor(folder: string, now: () => number = Date.now) {
    this.#folder = folder
    this.#now = now
    OWN_JOURNALS.add(this.#own)
  }

  record({ registry, repository, content }: Parameters<UploadJournal['record']>[0]): UploadRecord {
    const key = createHash('sha256').update([registry, repository, content].join('\n')).digest('hex')
    const path = join(this.#folder, `${key}.${this.#own}.json`)
    return {
      take: () => this.#take(key, path),
      save: (upload) => this.#save(path, { ...upload, registry }),
      clear: () => rm(path, { force: true }).catch(() => undefined),
    }
  }

  /** What is in it now, oldest first. */
  async list(): Promise<UploadFile[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const files = await Promise.all(
      names
        .filter((name) => OWN_NAME.test(name))
        .map(async (name) => {
          const path = join(this.#folder, name)
          const found = await stat(path).catch(() => undefined)
          return found ? [{ path, size: found.size, savedAt: found.mtimeMs }] : []
        }),
    )
    return files.flat().sort((a, b) => a.savedAt - b.savedAt)
  }

  /** Removes notes that are too old to be of use. */
  async sweep(): Promise<void> {
    for (const { path, savedAt } of await this.list()) {
      if (this.#now() - savedAt > KEPT_MS) await rm(path, { force: true }).catch(() => undefined)
    }
  }

  /** Removes the notes of uploads to one registry. */
  async forget(registry: string): Promise<void> {
    for (const { path } of await this.list()) {
      const saved = await readSaved(path)
      if (saved === undefined || saved.registry === registry) await rm(path, { force: true })
    }
  }

  async #take(key: string, own: string): Promise<SavedUpload | undefined> {
    await this.sweep()
    const names = await readdir(this.#folder).catch(() => [])
    for (const name of names) {
      const [, found, owner = '', machine, pid] = NAME.exec(name) ?? []
      if (found !== key || machine !== MACHINE || isAtWork(owner, Number(pid))) continue
      try {
        await rename(join(this.#folder, name), own)
      } catch {
        // Another process took it.
        continue
      }
      const saved = await readSaved(own)
      if (saved) return saved
      await rm(own, { force: true })
    }
    return undefined
  }

  async #save(path: string, upload: Saved): Promise<void> {
    const temporary = `${path}.tmp`
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await writeFile(temporary, JSON.stringify(upload), { mode: 0o600 })
      await rename(temporary, path)
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }
}

async function readSaved(path: string): Promise<Saved | undefined> {
  try {
    const saved = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    const { url, registry, minChunk, checkpoints } = saved
    if (typeof url !== 'string' || !URL.canParse(url) || typeof registry !== 'string') return undefined
    if (!isCount(minChunk) || !Array.isArray(checkpoints) || !checkpoints.every(isCheckpoint))
      return undefined
    return { url, registry, minChunk, checkpoints }
  } catch {
    return undefined
  }
}

function isCheckpoint(value: unknown): value is SavedUpload['checkpoints'][number] {
  const { offset, sha256 } = (value ?? {}) as Record<string, unknown>
  return isCount(offset) && typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isAtWork(owner: string, pid: number): boolean {
  if (pid === process.pid) return OWN_JOURNALS.has(owner)
  return isAlive(pid)
}
