import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { ServerContext } from '../context.ts'
import type { Db, Trx } from '../store/database.ts'
import type { SigningKeyTable } from '../store/schema.ts'

type Ctx = Pick<ServerContext, 'db' | 'keys' | 'now'>

/** Short signatures, and every OpenID client knows it. RFC 7518, section 3.4. */
export const SIGNING_ALGORITHM = 'ES256'
const DAY_MS = 24 * 3_600_000
/** How long a key signs. */
export const SIGNING_KEY_MS = 30 * DAY_MS
/** How long it verifies after the next one took over: longer than any token lives. */
export const VERIFYING_KEY_MS = DAY_MS

/** Private keys, the one that signs first. */
export type SigningKeys = readonly JWK[]

/** The issuer's keys: each signs for 30 days, and verifies for one more. */
export class SigningKeyRing {
  readonly #ctx: Ctx
  #kids = ''
  #keys: SigningKeys = []

  constructor(ctx: Ctx) {
    this.#ctx = ctx
  }

  /** Those of today, the same array until they change. Makes the next key when it is time. */
  async current(): Promise<SigningKeys> {
    const rows = await this.#rows()
    const kids = rows.map(({ kid }) => kid).join()
    if (kids !== this.#kids) {
      this.#keys = rows.map(({ sealed }) => JSON.parse(this.#ctx.keys.unseal(sealed)) as JWK)
      this.#kids = kids
    }
    return this.#keys
  }

  async #rows(): Promise<readonly SigningKeyTable[]> {
    const { db, now } = this.#ctx
    const known = await storedKeys(db)
    if (isSigning(known, now())) return known.filter(isUsed(known, now()))
    const made = await this.#make()
    return db.transaction().execute(async (trx) => {
      // Another login, or the check of a token, may have made it while this one was made: one is enough.
      const stored = await storedKeys(trx)
      const rows = isSigning(stored, now()) ? stored : [made, ...stored]
      const used = rows.filter(isUsed(rows, now()))
      if (rows === stored) return used
      await trx.insertInto('signing_keys').values(made).execute()
      const kept = used.map(({ kid }) => kid)
      await trx.deleteFrom('signing_keys').where('kid', 'not in', kept).execute()
      return used
    })
  }

  async #make(): Promise<SigningKeyTable> {
    const { keys, now } = this.#ctx
    const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true })
    const kid = randomUUID()
    const jwk = { ...(await exportJWK(privateKey)), kid, alg: SIGNING_ALGORITHM, use: 'sig' }
    return { kid, sealed: keys.seal(JSON.stringify(jwk)), createdAt: now() }
  }
}

/** The newest first. */
function storedKeys(db: Db | Trx): Promise<SigningKeyTable[]> {
  return db.selectFrom('signing_keys').selectAll().orderBy('createdAt', 'desc').execute()
}

/** Whether the newest is not too old to sign. */
function isSigning([newest]: readonly SigningKeyTable[], now: number): boolean {
  return newest !== undefined && newest.createdAt + SIGNING_KEY_MS > now
}

/** Whether a key signs, or was replaced so lately that tokens which it signed may still be valid. */
function isUsed(newestFirst: readonly SigningKeyTable[], now: number) {
  return (_: SigningKeyTable, index: number) => {
    const replacedAt = newestFirst[index - 1]?.createdAt
    return replacedAt === undefined || replacedAt + VERIFYING_KEY_MS > now
  }
}
