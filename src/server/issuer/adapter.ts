import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'
import type { ServerContext } from '../context.ts'
import { hashRecordId } from '../identity/grants.ts'
import type { IssuerRecordTable } from '../store/schema.ts'

type Ctx = Pick<ServerContext, 'db' | 'keys' | 'now' | 'reserve'>

/**
 * A refresh token that was used may be used again for so long: of 20 processes with the same one all get an
 * answer, and one that dies before it has stored the new one has not lost the login. After that, a second use
 * means that it was stolen, and ends the login. RFC 9700, section 4.14.2.
 */
export const REUSE_GRACE_MS = 60_000
const MS_PER_SECOND = 1000
/** These may be used once, or once and a little longer. */
const REFRESH_TOKEN = 'RefreshToken'

/** What the issuer remembers, in the database: hashed ids, because they are secrets, and sealed payloads. */
export function databaseAdapter(ctx: Ctx): AdapterFactory {
  return (model) => new DatabaseAdapter(ctx, model)
}

class DatabaseAdapter implements Adapter {
  readonly #ctx: Ctx
  readonly #model: string

  constructor(ctx: Ctx, model: string) {
    this.#ctx = ctx
    this.#model = model
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { db, keys, now, reserve } = this.#ctx
    const row = {
      sealed: keys.seal(JSON.stringify(payload)),
      grantId: this.#model === 'Grant' ? hashRecordId(id) : hashed(payload.grantId),
      uid: hashed(payload.uid),
      userCode: hashed(payload.userCode),
      accountId: payload.accountId ?? null,
      expiresAt: expiresIn ? now() + expiresIn * MS_PER_SECOND : null,
    }
    const write = () =>
      db
        .insertInto('issuer_records')
        .values({ model: this.#model, id: hashRecordId(id), consumedAt: null, ...row })
        .onConflict((conflict) => conflict.columns(['model', 'id']).doUpdateSet(row))
        .execute()
    // Who is logged in can go on to delete things. What anyone can make come must not use up the reserve.
    await (this.#model === REFRESH_TOKEN ? reserve.use(write) : write())
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#read(await this.#rows().where('id', '=', hashRecordId(id)).executeTakeFirst())
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#read(await this.#rows().where('uid', '=', hashRecordId(uid)).executeTakeFirst())
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#read(await this.#rows().where('userCode', '=', hashRecordId(userCode)).executeTakeFirst())
  }

  /** The first use counts: later ones within the grace do not prolong it. */
  async consume(id: string): Promise<void> {
    const { db, now, reserve } = this.#ctx
    await reserve.use(() =>
      db
        .updateTable('issuer_records')
        .set({ consumedAt: now() })
        .where('model', '=', this.#model)
        .where('id', '=', hashRecordId(id))
        .where('consumedAt', 'is', null)
        .execute(),
    )
  }

  async destroy(id: string): Promise<void> {
    await this.#remove('id', id)
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.#remove('grantId', grantId)
  }

  async #remove(column: 'id' | 'grantId', value: string): Promise<void> {
    const { db, reserve } = this.#ctx
    await reserve.use(() =>
      db
        .deleteFrom('issuer_records')
        .where('model', '=', this.#model)
        .where(column, '=', hashRecordId(value))
        .execute(),
    )
  }

  #rows() {
    const { db, now } = this.#ctx
    return db
      .selectFrom('issuer_records')
      .select(['sealed', 'consumedAt'])
      .where('model', '=', this.#model)
      .where(({ eb, or }) => or([eb('expiresAt', 'is', null), eb('expiresAt', '>', now())]))
  }

  #read(row: Pick<IssuerRecordTable, 'sealed' | 'consumedAt'> | undefined): AdapterPayload | undefined {
    if (!row) return undefined
    const payload = JSON.parse(this.#ctx.keys.unseal(row.sealed)) as AdapterPayload
    return this.#isUsedUp(row.consumedAt)
      ? { ...payload, consumed: Math.floor((row.consumedAt ?? 0) / MS_PER_SECOND) }
      : payload
  }

  #isUsedUp(consumedAt: number | null): boolean {
    if (consumedAt === null) return false
    return this.#model !== REFRESH_TOKEN || this.#ctx.now() - consumedAt >= REUSE_GRACE_MS
  }
}

function hashed(value: unknown): string | null {
  return typeof value === 'string' ? hashRecordId(value) : null
}
