import { randomUUID } from 'node:crypto'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'
import type { Trx } from '../store/database.ts'
import { isUniqueViolation } from '../store/failure.ts'
import { hashPassword, verifyPassword } from './password.ts'

type Ctx = Pick<ServerContext, 'db' | 'now'>

/** A name or an e-mail address, in lower case. */
const LOGIN = /^[a-z0-9][a-z0-9._@+-]{0,99}$/
/** NIST SP 800-63B, 3.1.1.2: length is what counts; no rule about which characters. */
export const MIN_PASSWORD_LENGTH = 12
/** Far beyond any password manager's; keeps a form from being a way to burn time. */
export const MAX_PASSWORD_LENGTH = 256

export interface Account {
  readonly userId: string
  readonly login: string
  readonly name: string
  readonly email: string | null
  readonly passwordHash: string | null
  readonly disabledAt: number | null
}

/** As it is stored and compared. */
export function normalizeLogin(text: string): string {
  return text.trim().normalize('NFKC').toLowerCase()
}

export async function findAccount({ db }: Pick<Ctx, 'db'>, login: string): Promise<Account | undefined> {
  return selectAccounts(db).where('accounts.login', '=', normalizeLogin(login)).executeTakeFirst()
}

/** The account of a user who may log in; undefined for one who is disabled, gone or of an external issuer. */
export async function findActiveAccount(
  { db }: Pick<Ctx, 'db'>,
  userId: string,
): Promise<Account | undefined> {
  return selectAccounts(db)
    .where('users.id', '=', userId)
    .where('users.disabledAt', 'is', null)
    .executeTakeFirst()
}

/** @returns undefined for a wrong password, after the time that a right one takes: also when there is no such user */
export async function checkPassword(
  ctx: Pick<Ctx, 'db'>,
  login: string,
  password: string,
): Promise<Account | undefined> {
  const account = await findAccount(ctx, login)
  const usable = account && account.disabledAt === null ? account.passwordHash : null
  const right = await verifyPassword(password, usable)
  return right ? account : undefined
}

/** @throws ImgctlError NAME_INVALID, CONFLICT */
export async function createAccount(
  trx: Trx,
  now: number,
  { login, name, email }: { login: string; name?: string | undefined; email?: string | undefined },
): Promise<{ userId: string; login: string }> {
  const normal = normalizeLogin(login)
  if (!LOGIN.test(normal)) {
    throw new ImgctlError('NAME_INVALID', `${JSON.stringify(login)} cannot be a user name`, {
      hint: 'use letters, digits and . _ - + @, and begin with a letter or digit',
    })
  }
  const userId = randomUUID()
  const address = email ?? (normal.includes('@') ? normal : null)
  await trx
    .insertInto('users')
    .values({ id: userId, name: name ?? normal, email: address, createdAt: now, disabledAt: null })
    .execute()
  try {
    await trx.insertInto('accounts').values({ login: normal, userId, passwordHash: null }).execute()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new ImgctlError('CONFLICT', `there is a user ${normal} already`, {
      hint: 'imgctl serve user list shows them',
    })
  }
  return { userId, login: normal }
}

/** What is wrong with a new password; undefined: nothing. */
export function passwordProblem(password: string): string | undefined {
  const length = [...password].length
  if (length < MIN_PASSWORD_LENGTH) return `use at least ${MIN_PASSWORD_LENGTH} characters`
  return length > MAX_PASSWORD_LENGTH ? `use at most ${MAX_PASSWORD_LENGTH} characters` : undefined
}

/**
 * Sets a password, and ends every login that was made with the one before.
 *
 * @param setupLink the hash of the link that allows it: of two that use it at once, one gets through
 * @returns false when the link is gone
 * @throws ImgctlError USAGE when it breaks the rule; NOT_FOUND when the user has no account here
 */
export async function setPassword(
  ctx: Ctx,
  userId: string,
  password: string,
  setupLink?: string,
): Promise<boolean> {
  const problem = passwordProblem(password)
  if (problem) throw new ImgctlError('USAGE', `the password is not acceptable: ${problem}`)
  const passwordHash = await hashPassword(password)
  return ctx.db.transaction().execute(async (trx) => {
    if (setupLink !== undefined) {
      const used = await trx.deleteFrom('setup_links').where('hash', '=', setupLink).executeTakeFirst()
      if (used.numDeletedRows === 0n) return false
    }
    const { numUpdatedRows } = await trx
      .updateTable('accounts')
      .set({ passwordHash })
      .where('userId', '=', userId)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) {
      throw new ImgctlError('NOT_FOUND', 'this user logs in at another issuer and has no password here')
    }
    await trx.deleteFrom('setup_links').where('userId', '=', userId).execute()
    await endLogins(trx, userId)
    return true
  })
}

/** Ends a user's logins: browsers, refresh tokens, and with the grants every access token. */
export async function endLogins(trx: Trx, userId: string): Promise<void> {
  await trx.deleteFrom('issuer_records').where('accountId', '=', userId).execute()
}

function selectAccounts(db: Ctx['db']) {
  return db
    .selectFrom('accounts')
    .innerJoin('users', 'users.id', 'accounts.userId')
    .select([
      'accounts.login',
      'accounts.passwordHash',
      'users.id as userId',
      'users.name',
      'users.email',
      'users.disabledAt',
    ])
}
