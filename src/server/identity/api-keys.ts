import { randomBytes, randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { ApiKey, CreateApiKey, CreatedApiKey } from '../../contract/identity.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'
import { isUniqueViolation } from '../store/failure.ts'
import type { ApiKeyTable } from '../store/schema.ts'
import { hashApiKey, hasPermission, type Principal, parsePermissions } from './principal.ts'

const PREFIX = 'img_'
const RANDOM_BYTES = 32
/** Far more than a person needs: keeps a script that forgets to delete its keys from filling the table. */
const MAX_KEYS_PER_USER = 1000
/** `GET /api-keys/current` is the key that asks, so no key can have this name. */
const RESERVED_NAME = 'current'
const CONTROL_CHARACTER = /\p{Cc}|\p{Cf}/u

type Ctx = Pick<ServerContext, 'db' | 'now'>

/** A new value, and what of it is stored. */
export function newKeyValue(): { value: string; hash: string; masked: string } {
  const value = PREFIX + randomBytes(RANDOM_BYTES).toString('base64url')
  return { value, hash: hashApiKey(value), masked: `${value.slice(0, 4)}${'*'.repeat(20)}${value.slice(-3)}` }
}

/** The principal's keys in its organization: last used first, those never used last, then the newest first. */
export async function listApiKeys(ctx: Ctx, principal: Principal): Promise<ApiKey[]> {
  const rows = await ownKeys(ctx, principal)
    .orderBy('lastUsedAt', (order) => order.desc().nullsLast())
    .orderBy('createdAt', 'desc')
    .execute()
  return rows.map(toApiKey)
}

/** @throws ImgctlError NOT_FOUND */
export async function getApiKey(ctx: Ctx, principal: Principal, name: string): Promise<ApiKey> {
  return toApiKey(await findKey(ctx, principal, name))
}

/** The key that asks. @throws ImgctlError NOT_FOUND when it was not a key that asked. */
export async function currentApiKey(ctx: Ctx, principal: Principal): Promise<ApiKey> {
  const row = await findAskingKey(ctx, principal)
  if (row) return toApiKey(row)
  throw new ImgctlError('NOT_FOUND', 'this request was not made with an API key')
}

/**
 * Makes a key that can do no more than the one that asks, and does not outlive it. Its value is in the answer,
 * this one time.
 *
 * @throws ImgctlError FORBIDDEN, CONFLICT (the name is in use), BAD_REQUEST, QUOTA_EXCEEDED
 */
export async function createApiKey(
  ctx: Ctx,
  principal: Principal,
  body: CreateApiKey,
): Promise<CreatedApiKey> {
  assertName(body.name)
  assertGrantable(principal, body)
  const expiresAt = await chooseExpiry(ctx, principal, body.expiresAt ?? null)
  await assertBelowLimit(ctx, principal)
  const { value, hash, masked } = newKeyValue()
  const row: ApiKeyTable = {
    id: randomUUID(),
    organizationId: principal.organizationId,
    userId: principal.userId,
    name: body.name,
    hash,
    masked,
    permissionsJson: JSON.stringify(body.permissions),
    createdByKeyId: principal.keyId,
    createdAt: ctx.now(),
    expiresAt,
    lastUsedAt: null,
  }
  try {
    await ctx.db.insertInto('api_keys').values(row).execute()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new ImgctlError('CONFLICT', `an API key named '${body.name}' exists already`, {
      hint: 'choose another name, or revoke that key first',
    })
  }
  return { ...toApiKey(row), value }
}

/**
 * A revoked key ends at once, with every push access that it asked for and every key that it made, and that those
 * made: whoever found a leaked key keeps none.
 *
 * @throws ImgctlError NOT_FOUND; FORBIDDEN when that key can do more than the one that asks
 */
export async function revokeApiKey(ctx: Ctx, principal: Principal, name: string): Promise<void> {
  const row = await findKey(ctx, principal, name)
  const beyond = parsePermissions(row.permissionsJson).filter((each) => !hasPermission(principal, each))
  if (beyond.length > 0) {
    throw new ImgctlError('FORBIDDEN', `the API key '${name}' has permissions that yours lacks: ${beyond}`, {
      hint: 'revoke it with a key that has these permissions',
    })
  }
  await sql`
    DELETE FROM api_keys WHERE id IN (
      WITH RECURSIVE revoked(id) AS (
        VALUES (${row.id})
        UNION
        SELECT k.id FROM api_keys k JOIN revoked ON k."createdByKeyId" = revoked.id)
      SELECT id FROM revoked)
  `.execute(ctx.db)
}

/** How many keys of a user, in all organizations, have not expired. */
export async function countApiKeys({ db, now }: Ctx, userId: string): Promise<number> {
  const { count } = await db
    .selectFrom('api_keys')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('userId', '=', userId)
    .where(({ eb, or }) => or([eb('expiresAt', 'is', null), eb('expiresAt', '>', now())]))
    .executeTakeFirstOrThrow()
  return count
}

/** Ends all keys of a user, as revokeApiKey ends one. @returns how many there were, expired ones too */
export async function revokeAllApiKeys({ db }: Pick<Ctx, 'db'>, userId: string): Promise<number> {
  const { numDeletedRows } = await db.deleteFrom('api_keys').where('userId', '=', userId).executeTakeFirst()
  return Number(numDeletedRows)
}

function ownKeys({ db }: Ctx, { organizationId, userId }: Principal) {
  return db
    .selectFrom('api_keys')
    .selectAll()
    .where('organizationId', '=', organizationId)
    .where('userId', '=', userId)
}

async function findKey(ctx: Ctx, principal: Principal, name: string): Promise<ApiKeyTable> {
  const row = await ownKeys(ctx, principal).where('name', '=', name).executeTakeFirst()
  if (row) return row
  throw new ImgctlError('NOT_FOUND', `no API key is named ${JSON.stringify(name)}`)
}

async function findAskingKey(ctx: Ctx, principal: Principal): Promise<ApiKeyTable | undefined> {
  if (principal.keyId === null) return undefined
  return ownKeys(ctx, principal).where('id', '=', principal.keyId).executeTakeFirst()
}

function assertName(name: string): void {
  const problem =
    name === RESERVED_NAME
      ? `'${RESERVED_NAME}' means the key that asks`
      : name !== name.trim() || CONTROL_CHARACTER.test(name)
        ? 'it must not begin or end with a space or hold control characters'
        : undefined
  if (problem) throw new ImgctlError('BAD_REQUEST', `an API key cannot have this name: ${problem}`)
}

function assertGrantable(principal: Principal, { permissions }: CreateApiKey): void {
  const missing = permissions.filter((permission) => !hasPermission(principal, permission))
  if (missing.length === 0) return
  throw new ImgctlError('FORBIDDEN', `you cannot give what you do not have: ${missing.join(', ')}`, {
    hint: `leave it out, or use a key with ${missing.join(', ')}`,
  })
}

/** A key without an expiry of its own gets that of the key that makes it. */
async function chooseExpiry(ctx: Ctx, principal: Principal, wanted: string | null): Promise<number | null> {
  const limit = (await findAskingKey(ctx, principal))?.expiresAt ?? null
  if (wanted === null) return limit
  const at = Date.parse(wanted)
  if (!(at > ctx.now())) throw new ImgctlError('BAD_REQUEST', 'expiresAt: must be in the future')
  if (limit === null || at <= limit) return at
  throw new ImgctlError('FORBIDDEN', 'a key cannot make one that outlives it', {
    hint: `choose a time up to ${new Date(limit).toISOString()}, or use a key that lives longer`,
  })
}

async function assertBelowLimit({ db }: Ctx, { organizationId, userId }: Principal): Promise<void> {
  const { count } = await db
    .selectFrom('api_keys')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('organizationId', '=', organizationId)
    .where('userId', '=', userId)
    .executeTakeFirstOrThrow()
  if (count < MAX_KEYS_PER_USER) return
  throw new ImgctlError('QUOTA_EXCEEDED', `you have ${MAX_KEYS_PER_USER} API keys, the most there can be`, {
    hint: 'revoke those that are not used any more',
  })
}

function toApiKey(row: ApiKeyTable): ApiKey {
  return {
    name: row.name,
    value: row.masked,
    permissions: parsePermissions(row.permissionsJson),
    createdAt: new Date(row.createdAt).toISOString(),
    expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt).toISOString(),
    lastUsedAt: row.lastUsedAt === null ? null : new Date(row.lastUsedAt).toISOString(),
  }
}
