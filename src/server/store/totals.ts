import type { Db } from './database.ts'

/** What the server did since its start, for its metrics. */
export interface Totals {
  /** By the clean-up rounds: blobs that nothing needed. */
  collected: { blobs: number; bytes: number }
  /** Fetches from other registries by how they ended: `fetched`, or the reason's code. */
  readonly fetches: Map<string, number>
  /** Of blobs that came from other registries. */
  fetchedBytes: number
}

const known = new WeakMap<Db, Totals>()

/** Those of the server on this database: the parts that count are handed different pieces of the context. */
export function totalsOf({ db }: { readonly db: Db }): Totals {
  const totals = known.get(db) ?? {
    collected: { blobs: 0, bytes: 0 },
    fetches: new Map<string, number>(),
    fetchedBytes: 0,
  }
  known.set(db, totals)
  return totals
}

export function countFetch(ctx: { readonly db: Db }, outcome: string): void {
  const { fetches } = totalsOf(ctx)
  fetches.set(outcome, (fetches.get(outcome) ?? 0) + 1)
}
