import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { Permission } from '../../../src/contract/identity.ts'
import type { Image } from '../../../src/contract/image.ts'
import { openBlobStore } from '../../../src/server/content/blob-store.ts'
import { openReserve } from '../../../src/server/content/reserve.ts'
import type { ServerContext } from '../../../src/server/context.ts'
import { createApp } from '../../../src/server/http/app.ts'
import { principalOf } from '../../../src/server/http/authentication.ts'
import { newKeyValue } from '../../../src/server/identity/api-keys.ts'
import { openKeys } from '../../../src/server/identity/keys.ts'
import { registryHostOf } from '../../../src/server/identity/public-url.ts'
import { type Reconciler, startReconciler } from '../../../src/server/images/reconciler.ts'
import { imageRoutes } from '../../../src/server/images/routes.ts'
import type { Steps } from '../../../src/server/images/steps.ts'
import { type ChosenSettings, serverSettings } from '../../../src/server/settings.ts'
import { openDatabase } from '../../../src/server/store/database.ts'

export interface Organization {
  readonly id: string
  readonly slug: string
  readonly key: string
}

export interface Answer<T> {
  readonly status: number
  readonly body: T
}

/** The image routes on a real database and blob store in a folder of their own; the reconciler runs when started. */
export interface OpenImages {
  readonly ctx: ServerContext
  readonly acme: Organization
  readonly app: FastifyInstance
  addOrganization(slug: string, permissions?: Permission[], imageQuota?: number): Promise<Organization>
  call<T = Image>(method: Method, path: string, options?: CallOptions): Promise<Answer<T>>
  startReconciler(steps?: Steps): Reconciler
  /** Moves the server's clock. */
  advance(ms: number): void
  /** Waits until the image is in one of the states; its last form. */
  settled(id: string, states?: readonly string[]): Promise<Image>
  close(): Promise<void>
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export interface CallOptions {
  readonly key?: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

const ALL: Permission[] = ['read:images', 'write:images', 'delete:images']

export async function openImages(settings: Omit<ChosenSettings, 'dataDir'> = {}): Promise<OpenImages> {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-images-'))
  const reconcilers: Reconciler[] = []
  let offset = 0
  const now = () => Date.now() + offset
  const ctx: ServerContext = {
    settings: serverSettings({ publicUrl: 'http://images.test:7700', ...settings, dataDir }),
    db: await openDatabase(join(dataDir, 'imgctl.db')),
    blobs: await openBlobStore(dataDir),
    reserve: await openReserve(dataDir),
    keys: await openKeys(dataDir, now),
    log: pino({ level: 'silent' }),
    now,
    accessTokens: { verify: async () => undefined },
    origin: () => undefined,
    wakeReconciler: () => {
      for (const { wake } of reconcilers) wake()
    },
  }
  const facts = {
    principalOf,
    registryHostOf: (request: Parameters<typeof principalOf>[0]) => registryHostOf(ctx, request),
  }
  const app = await createApp(ctx, { api: [imageRoutes(ctx, facts)], registry: async () => {} })
  const addOrganization: OpenImages['addOrganization'] = (slug, permissions = ALL, imageQuota = 10_000) =>
    insertOrganization(ctx, slug, permissions, imageQuota)
  const acme = await addOrganization('acme')
  const call = async <T>(method: Method, path: string, options: CallOptions = {}): Promise<Answer<T>> => {
    const { key = acme.key, body, headers } = options
    const response = await app.inject({
      method,
      url: `/api${path}`,
      headers: { authorization: `Bearer ${key}`, ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    })
    return { status: response.statusCode, body: response.json<T>() }
  }
  return {
    ctx,
    acme,
    app,
    addOrganization,
    call,
    startReconciler(steps) {
      const reconciler = startReconciler(ctx, steps)
      reconcilers.push(reconciler)
      return reconciler
    },
    advance(ms) {
      offset += ms
    },
    async settled(id, states = ['active', 'error']) {
      for (;;) {
        const row = await ctx.db.selectFrom('images').select('state').where('id', '=', id).executeTakeFirst()
        if (row && states.includes(row.state)) break
        await sleep(5)
      }
      return (await call<Image>('GET', `/images/${id}`)).body
    },
    async close() {
      await Promise.all(reconcilers.map((reconciler) => reconciler.stop()))
      await app.close()
      await ctx.db.destroy()
      await rm(dataDir, { recursive: true })
    },
  }
}

async function insertOrganization(
  { db }: ServerContext,
  slug: string,
  permissions: Permission[],
  imageQuota: number,
): Promise<Organization> {
  const createdAt = Date.now()
  const [id, userId] = [randomUUID(), randomUUID()]
  const permissionsJson = JSON.stringify(permissions)
  await db.insertInto('organizations').values({ id, slug, name: slug, imageQuota, createdAt }).execute()
  await db
    .insertInto('users')
    .values({ id: userId, name: `${slug}-user`, email: null, createdAt })
    .execute()
  await db.insertInto('memberships').values({ organizationId: id, userId, permissionsJson }).execute()
  const { value, hash, masked } = newKeyValue()
  const key = {
    id: randomUUID(),
    organizationId: id,
    userId,
    name: 'own',
    hash,
    masked,
    permissionsJson,
    createdAt,
  }
  await db
    .insertInto('api_keys')
    .values({ ...key, expiresAt: null, lastUsedAt: null })
    .execute()
  return { id, slug, key: value }
}
