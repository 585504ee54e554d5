import { randomUUID } from 'node:crypto'
import type {
  CreateDockerRegistry,
  DockerRegistry,
  UpdateDockerRegistry,
} from '../../contract/docker-registry.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'
import type { Trx } from '../store/database.ts'
import { isUniqueViolation } from '../store/failure.ts'
import type { RegistryTable } from '../store/schema.ts'
import type { Principal } from './principal.ts'
import { parseRegistryHost } from './registry-host.ts'

/** The limit of the API whose contract this keeps. */
const MAX_REGISTRIES = 100

type Ctx = Pick<ServerContext, 'db' | 'now' | 'keys'>

/** Newest first. */
export async function listRegistries({ db }: Ctx, principal: Principal): Promise<DockerRegistry[]> {
  const rows = await db
    .selectFrom('registries')
    .selectAll()
    .where('organizationId', '=', principal.organizationId)
    .orderBy('createdAt', 'desc')
    .orderBy('id')
    .execute()
  return rows.map(toDockerRegistry)
}

/** @throws ImgctlError NOT_FOUND, also for another organization's */
export async function getRegistry(ctx: Ctx, principal: Principal, id: string): Promise<DockerRegistry> {
  return toDockerRegistry(await findRow(ctx.db, principal, id))
}

/** @throws ImgctlError BAD_REQUEST, CONFLICT (name or host in use), QUOTA_EXCEEDED */
export async function createRegistry(
  ctx: Ctx,
  principal: Principal,
  body: CreateDockerRegistry,
): Promise<DockerRegistry> {
  const { host, secure } = parseRegistryHost(body.url)
  const at = ctx.now()
  const row: RegistryTable = {
    id: randomUUID(),
    organizationId: principal.organizationId,
    name: body.name,
    host,
    secure: secure ? 1 : 0,
    username: body.username,
    sealedPassword: ctx.keys.seal(body.password),
    project: body.project ?? '',
    isDefault: body.isDefault ? 1 : 0,
    createdAt: at,
    updatedAt: at,
  }
  return storing(ctx, async (trx) => {
    await assertBelowLimit(trx, principal)
    if (body.isDefault) await clearDefault(trx, principal)
    await trx.insertInto('registries').values(row).execute()
    return toDockerRegistry(row)
  })
}

/**
 * Changes what `body` names. Another address needs the password again: without this rule, whoever may change a
 * registry could have a password sent to a host of theirs.
 *
 * @throws ImgctlError NOT_FOUND, BAD_REQUEST, CONFLICT (name or host in use)
 */
export async function updateRegistry(
  ctx: Ctx,
  principal: Principal,
  id: string,
  body: UpdateDockerRegistry,
): Promise<DockerRegistry> {
  return storing(ctx, async (trx) => {
    const row = await findRow(trx, principal, id)
    const address =
      body.url === undefined ? { host: row.host, secure: row.secure === 1 } : parseRegistryHost(body.url)
    const secure = address.secure ? 1 : 0
    const moved = address.host !== row.host || secure !== row.secure
    if (moved && body.password === undefined) {
      throw new ImgctlError('BAD_REQUEST', 'password: required when the url changes', {
        hint: 'send the password for the new address in the same request',
      })
    }
    const changed: RegistryTable = {
      ...row,
      host: address.host,
      secure,
      name: body.name ?? row.name,
      username: body.username ?? row.username,
      project: body.project ?? row.project,
      sealedPassword: body.password === undefined ? row.sealedPassword : ctx.keys.seal(body.password),
      updatedAt: ctx.now(),
    }
    await trx.updateTable('registries').set(changed).where('id', '=', id).execute()
    return toDockerRegistry(changed)
  })
}

/** Makes it the default of its organization, and of no other. @throws ImgctlError NOT_FOUND */
export async function setDefaultRegistry(
  ctx: Ctx,
  principal: Principal,
  id: string,
): Promise<DockerRegistry> {
  return storing(ctx, async (trx) => {
    const row = await findRow(trx, principal, id)
    await clearDefault(trx, principal)
    const changed: RegistryTable = { ...row, isDefault: 1, updatedAt: ctx.now() }
    await trx.updateTable('registries').set(changed).where('id', '=', id).execute()
    return toDockerRegistry(changed)
  })
}

/** @throws ImgctlError NOT_FOUND */
export async function deleteRegistry(ctx: Ctx, principal: Principal, id: string): Promise<void> {
  await findRow(ctx.db, principal, id)
  await ctx.db.deleteFrom('registries').where('id', '=', id).execute()
}

export interface UpstreamCredentials {
  readonly username: string
  readonly password: string
  /** https */
  readonly secure: boolean
}

/**
 * What the organization stored for exactly this host (`host` or `host:port`, as in a reference); never for one
 * that merely begins like it.
 */
export async function upstreamCredentials(
  ctx: Pick<ServerContext, 'db' | 'keys'>,
  organizationId: string,
  host: string,
): Promise<UpstreamCredentials | undefined> {
  const row = await ctx.db
    .selectFrom('registries')
    .select(['username', 'sealedPassword', 'secure'])
    .where('organizationId', '=', organizationId)
    .where('host', '=', host.toLowerCase())
    .executeTakeFirst()
  if (!row) return undefined
  return { username: row.username, password: ctx.keys.unseal(row.sealedPassword), secure: row.secure === 1 }
}

async function storing<T>({ db }: Ctx, action: (trx: Trx) => Promise<T>): Promise<T> {
  try {
    return await db.transaction().execute(action)
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new ImgctlError('CONFLICT', 'the organization has a registry with this name or address already', {
      hint: 'change that one, or delete it first',
    })
  }
}

async function findRow(
  db: Pick<Trx, 'selectFrom'>,
  principal: Principal,
  id: string,
): Promise<RegistryTable> {
  const row = await db
    .selectFrom('registries')
    .selectAll()
    .where('id', '=', id)
    .where('organizationId', '=', principal.organizationId)
    .executeTakeFirst()
  if (row) return row
  throw new ImgctlError('NOT_FOUND', `no registry has the id ${JSON.stringify(id)}`)
}

async function clearDefault(trx: Trx, { organizationId }: Principal): Promise<void> {
  await trx
    .updateTable('registries')
    .set({ isDefault: 0 })
    .where('organizationId', '=', organizationId)
    .where('isDefault', '=', 1)
    .execute()
}

async function assertBelowLimit(trx: Trx, { organizationId }: Principal): Promise<void> {
  const { count } = await trx
    .selectFrom('registries')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('organizationId', '=', organizationId)
    .executeTakeFirstOrThrow()
  if (count < MAX_REGISTRIES) return
  throw new ImgctlError(
    'QUOTA_EXCEEDED',
    `the organization has ${MAX_REGISTRIES} registries, the most there can be`,
  )
}

/** Field by field: a new column cannot get out by itself, least of all the password. */
function toDockerRegistry(row: RegistryTable): DockerRegistry {
  return {
    id: row.id,
    name: row.name,
    url: row.host,
    secure: row.secure === 1,
    username: row.username,
    project: row.project,
    registryType: 'organization',
    isDefault: row.isDefault === 1,
    createdAt: new Date(row.createdAt).toISOString(),
    updatedAt: new Date(row.updatedAt).toISOString(),
  }
}
