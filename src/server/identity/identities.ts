import { randomUUID } from 'node:crypto'
import { PERMISSIONS, type Permission } from '../../contract/identity.ts'
import type { ExternalIssuerSettings, ServerContext } from '../context.ts'
import type { Db, Trx } from '../store/database.ts'
import { recordUserlessChange } from './audit-log.ts'

type Ctx = Pick<ServerContext, 'db' | 'now' | 'log'>

interface ExternalClaims {
  readonly sub: string
  readonly [claim: string]: unknown
}

/** What a name may have: a claim can be of any length. */
const MAX_NAME_LENGTH = 100

/**
 * The user that an external issuer's token speaks for, by its issuer and subject: an e-mail address or a name may
 * pass to someone else. Made at the first sight, as a member of the first organization if the settings say so.
 *
 * @returns undefined when the user is disabled
 */
export async function userOfIdentity(
  ctx: Ctx,
  settings: ExternalIssuerSettings,
  claims: ExternalClaims,
): Promise<string | undefined> {
  const { issuer } = settings
  const { sub: subject } = claims
  const known = await findIdentity(ctx.db, issuer, subject)
  if (known) return known.disabledAt === null ? known.userId : undefined
  return ctx.db.transaction().execute(async (trx) => {
    // Another request of the same new user may have been first.
    const made = await findIdentity(trx, issuer, subject)
    return made ? made.userId : provision(ctx, trx, settings, claims)
  })
}

function findIdentity(db: Db | Trx, issuer: string, subject: string) {
  return db
    .selectFrom('identities')
    .innerJoin('users', 'users.id', 'identities.userId')
    .select(['users.id as userId', 'users.disabledAt'])
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .executeTakeFirst()
}

async function provision(
  { now, log }: Ctx,
  trx: Trx,
  settings: ExternalIssuerSettings,
  claims: ExternalClaims,
): Promise<string> {
  const userId = randomUUID()
  const email = verifiedEmail(claims)
  await trx
    .insertInto('users')
    .values({ id: userId, name: nameOf(claims), email: email ?? null, createdAt: now(), disabledAt: null })
    .execute()
  await trx
    .insertInto('identities')
    .values({ issuer: settings.issuer, subject: claims.sub, userId })
    .execute()
  const permissions = firstPermissions(settings, claims.sub, email)
  if (permissions.length > 0) {
    const { id, slug } = await trx
      .selectFrom('organizations')
      .select(['id', 'slug'])
      .orderBy('createdAt')
      .limit(1)
      .executeTakeFirstOrThrow()
    await trx
      .insertInto('memberships')
      .values({ organizationId: id, userId, permissionsJson: JSON.stringify(permissions) })
      .execute()
    const target = `${userId}: ${permissions.join(', ')}`
    await recordUserlessChange(
      { db: trx, now },
      { by: 'issuer', action: 'user.add', target, organizations: [slug] },
    )
  }
  log.info({ user: userId, permissions }, 'first login of a user')
  return userId
}

function firstPermissions(
  { admins, defaultPermissions }: ExternalIssuerSettings,
  subject: string,
  email: string | undefined,
): readonly Permission[] {
  const named = admins.some((each) => each === subject || each.toLowerCase() === email?.toLowerCase())
  return named ? PERMISSIONS : defaultPermissions
}

/** OpenID Connect Core 1.0, section 5.1: an address that the issuer did not verify is what the user typed. */
function verifiedEmail({ email, email_verified: verified }: ExternalClaims): string | undefined {
  return typeof email === 'string' && verified === true ? email.slice(0, MAX_NAME_LENGTH) : undefined
}

function nameOf(claims: ExternalClaims): string {
  const { name, preferred_username: username, email, sub } = claims
  const found = [username, name, email].find((each) => typeof each === 'string' && each.trim() !== '')
  return String(found ?? sub).slice(0, MAX_NAME_LENGTH)
}
