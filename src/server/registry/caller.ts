import { API_KEY } from '../../contract/identity.ts'
import type { ServerContext } from '../context.ts'
import { originOf, principalOfOrigin } from '../identity/origin.ts'
import { hasPermission, type Principal, principalOfApiKey, principalOfMember } from '../identity/principal.ts'
import { principalOfPushSecret } from '../identity/push-access.ts'
import { type RepositoryName, tryRepositoryName } from './target.ts'

export const ACTIONS = ['pull', 'push', 'delete'] as const
export type Action = (typeof ACTIONS)[number]

export interface Grant {
  /** `<organization>/<path>` */
  readonly name: string
  readonly actions: readonly Action[]
}

/** Who asks, and what the credentials they showed are good for. */
export interface Caller {
  /** Undefined: anonymous. */
  readonly principal: Principal | undefined
  /** What the credentials may do in the principal's organization. */
  readonly actions: ReadonlySet<Action>
  /** The one repository (without the organization) that the credentials are for; undefined: any. */
  readonly onlyRepository: string | undefined
  /** What a registry token was issued for; undefined: the credentials themselves were shown. */
  readonly grants: readonly Grant[] | undefined
  /** What was shown is good for the catalog: a registry token only when it was issued for it. */
  readonly catalog: boolean
}

export const ANONYMOUS: Caller = {
  principal: undefined,
  actions: new Set(),
  onlyRepository: undefined,
  grants: undefined,
  catalog: false,
}

/** https://distribution.github.io/distribution/spec/auth/scope/ */
export const CATALOG_SCOPE = 'registry:catalog:*'
const CATALOG_ACCESS = { type: 'registry', name: 'catalog', actions: ['*'] } as const

/** Tells a registry token from the other tokens that the same key signs. */
const USE = 'registry'
export const TOKEN_SECONDS = 15 * 60
const NEEDED = { pull: 'read:images', push: 'write:images', delete: 'delete:images' } as const

/**
 * Who an `Authorization` header speaks for: Basic with an API key, push secret or access token as password, or
 * Bearer with one of these or a token of the token endpoint.
 *
 * @returns undefined when the credentials are not valid (any more)
 */
export async function identifyCaller(
  ctx: ServerContext,
  authorization: string | undefined,
): Promise<Caller | undefined> {
  if (authorization === undefined) return ANONYMOUS
  const [scheme, value = ''] = authorization.trim().split(/\s+/, 2)
  if (scheme?.toLowerCase() === 'bearer') {
    return (await callerOfToken(ctx, value)) ?? (await callerOfSecret(ctx, value))
  }
  const credentials = basicCredentials(authorization)
  return credentials && callerOfSecret(ctx, credentials.password, credentials.username)
}

/** The caller of an API key, push secret or access token; what was sent as user name counts for the last alone. */
export async function callerOfSecret(
  ctx: ServerContext,
  secret: string,
  username?: string,
): Promise<Caller | undefined> {
  if (API_KEY.test(secret)) return callerFor(await principalOfApiKey(ctx, secret))
  const access = await principalOfPushSecret(ctx, secret)
  if (!access) return callerFor(await principalOfAccessToken(ctx, secret, username))
  const { principal, repository } = access
  return {
    ...ANONYMOUS,
    principal,
    actions: allowedActions(principal),
    onlyRepository: repository,
    catalog: true,
  }
}

function callerFor(principal: Principal | undefined): Caller | undefined {
  return principal && { ...ANONYMOUS, principal, actions: allowedActions(principal), catalog: true }
}

/** A user name that is one of the user's organizations chooses it. */
async function principalOfAccessToken(
  ctx: ServerContext,
  token: string,
  username: string | undefined,
): Promise<Principal | undefined> {
  const login = await ctx.accessTokens.verify(token)
  if (!login) return undefined
  const chosen = username === undefined ? undefined : await principalOfMember(ctx, login, username)
  return chosen ?? principalOfMember(ctx, login)
}

/** RFC 7617. Undefined when the header is no Basic credentials. */
export function basicCredentials(
  authorization: string | undefined,
): { username: string; password: string } | undefined {
  const match = /^basic\s+([A-Za-z0-9+/_-]+={0,2})$/i.exec(authorization?.trim() ?? '')
  if (!match) return undefined
  const text = Buffer.from(match[1]!, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/**
 * A token for 15 minutes that is good for `grants`, and dead as soon as the API key or login behind it is.
 *
 * @param catalog whether it is good for the catalog too
 */
export function issueToken(
  ctx: ServerContext,
  caller: Caller,
  grants: readonly Grant[],
  catalog: boolean,
): Promise<string> {
  const { principal, actions, onlyRepository } = caller
  return ctx.keys.signToken(
    {
      use: USE,
      access: [
        ...grants.map(({ name, actions }) => ({ type: 'repository', name, actions })),
        ...(catalog ? [CATALOG_ACCESS] : []),
      ],
      ...(principal ? { ...originOf(principal), may: [...actions] } : {}),
      ...(onlyRepository === undefined ? {} : { only: onlyRepository }),
    },
    TOKEN_SECONDS,
  )
}

/** Whether these credentials could be used for `action`, with a new token if need be. */
export function couldDo(caller: Caller, repository: RepositoryName, action: Action): boolean {
  return (
    caller.principal?.organizationSlug === repository.slug &&
    caller.actions.has(action) &&
    (caller.onlyRepository === undefined || caller.onlyRepository === repository.path)
  )
}

/** Whether these credentials could be used for the catalog, with a new token if need be. */
export function couldList({ principal, actions }: Caller): boolean {
  return principal !== undefined && actions.has('pull')
}

/** Whether what was shown is good for `action` as it is. */
export function canDo(caller: Caller, repository: RepositoryName, action: Action): boolean {
  if (!couldDo(caller, repository, action)) return false
  return (
    !caller.grants ||
    caller.grants.some(({ name, actions }) => name === repository.full && actions.includes(action))
  )
}

/**
 * The repositories of the principal's organization (without its slug) that what was shown may read; undefined: all.
 * It is what `canDo` says of each.
 */
export function readablePaths(caller: Caller): readonly string[] | undefined {
  const { principal, actions, onlyRepository, grants } = caller
  if (!principal || !actions.has('pull')) return []
  if (!grants) return onlyRepository === undefined ? undefined : [onlyRepository]
  return grants.flatMap(({ name }) => {
    const repository = tryRepositoryName(name)
    return repository && canDo(caller, repository, 'pull') ? [repository.path] : []
  })
}

async function callerOfToken(ctx: ServerContext, token: string): Promise<Caller | undefined> {
  const claims = await ctx.keys.verifyToken(token)
  if (claims?.['use'] !== USE) return undefined
  const access = claims['access'] as readonly (Grant & { type: string })[]
  const grants = access.filter(({ type }) => type === 'repository')
  const catalog = access.some(({ type, name }) => type === 'registry' && name === 'catalog')
  if (!claims['may']) return { ...ANONYMOUS, grants }
  const principal = await principalOfOrigin(ctx, claims)
  if (!principal) return undefined
  const may = claims['may'] as readonly Action[]
  const actions = new Set([...allowedActions(principal)].filter((action) => may.includes(action)))
  return { principal, actions, onlyRepository: claims['only'] as string | undefined, grants, catalog }
}

function allowedActions(principal: Principal): Set<Action> {
  return new Set(ACTIONS.filter((action) => hasPermission(principal, NEEDED[action])))
}
