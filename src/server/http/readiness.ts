import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { ServerContext } from '../context.ts'
import { isDiskFull } from './error-reply.ts'
import { keptFor } from './kept.ts'

/** What a probe writes, and removes again. */
const PROBE_FILE = 'ready.probe'
/** What does not answer in this time does not answer clients either. */
const PROBE_MS = 5_000
/** Probes come from several sides, each every few seconds; the disk is asked this often at most. */
const KEEP_MS = 1_000

export interface Readiness {
  readonly ready: boolean
  readonly database: 'ok' | 'failed'
  /** `full`: what is here can be read and deleted, so requests are served. */
  readonly disk: 'ok' | 'full' | 'failed'
}

type Ctx = Pick<ServerContext, 'db' | 'settings' | 'log'>

/**
 * Whether requests can be served: the database answers, and the data folder can be written to or is merely full.
 *
 * @param touch makes a file and removes it again
 */
export function readinessProbe(ctx: Ctx, touch = makeAndRemove): () => Promise<Readiness> {
  return keptFor(KEEP_MS, () => probe(ctx, touch))
}

async function probe({ db, settings, log }: Ctx, touch: typeof makeAndRemove): Promise<Readiness> {
  const path = join(settings.dataDir, PROBE_FILE)
  const failed = (what: string) => (error: unknown) => {
    log.error({ err: error }, `not ready: the ${what} failed`)
    return 'failed' as const
  }
  const [database, disk] = await Promise.all([
    inTime(sql`SELECT 1 FROM organizations LIMIT 1`.execute(db)).then(
      () => 'ok' as const,
      failed('database'),
    ),
    inTime(touch(path)).then(
      () => 'ok' as const,
      (error: unknown) => (isDiskFull(error) ? ('full' as const) : failed('data folder')(error)),
    ),
  ])
  return { ready: database === 'ok' && disk !== 'failed', database, disk }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PROBE_MS} ms`)), PROBE_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

async function makeAndRemove(path: string): Promise<void> {
  await writeFile(path, '')
  await rm(path, { force: true })
}
