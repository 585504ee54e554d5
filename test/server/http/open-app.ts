import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Permission } from '../../../src/contract/identity.ts'
import { openBlobStore } from '../../../src/server/content/blob-store.ts'
import { openReserve } from '../../../src/server/content/reserve.ts'
import type { ServerContext } from '../../../src/server/context.ts'
import { type AppPlugins, createApp } from '../../../src/server/http/app.ts'
import { principalOf } from '../../../src/server/http/authentication.ts'
import { createAccessTokens } from '../../../src/server/identity/access-tokens.ts'
import { newKeyValue } from '../../../src/server/identity/api-keys.ts'
import { bootstrap } from '../../../src/server/identity/bootstrap.ts'
import { openKeys } from '../../../src/server/identity/keys.ts'
import { registryHostOf } from '../../../src/server/identity/public-url.ts'
import { imageRoutes } from '../../../src/server/images/routes.ts'
import { createLog } from '../../../src/server/log.ts'
import { registryRoutes } from '../../../src/server/registry/routes.ts'
import { type ChosenSettings, serverSettings } from '../../../src/server/settings.ts'
import { type Db, openDatabase } from '../../../src/server/store/database.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  as<T>(): T
}

export interface CallOptions {
  /** Default: the administrator's key. Null: none. */
  readonly key?: string | null
  /** Sent as JSON; a string as it is. */
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** The HTTP application, listening, on a real database in a folder of its own. */
export interface OpenApp {
  readonly url: string
  readonly app: FastifyInstance
  readonly ctx: ServerContext
  /** The administrator's API key. */
  readonly key: string
  logText(): string
  /** Moves the server's clock. */
  advance(ms: number): void
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  close(): Promise<void>
}

export async function openApp(
  options: {
    settings?: Omit<ChosenSettings, 'dataDir'>
    plugins?: Partial<AppPlugins>
    /** With the images and the registry, as the server is, instead of `plugins`. */
    whole?: boolean
    bodyMs?: number
  } = {},
): Promise<OpenApp> {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-app-'))
  let offset = 0
  let logged = ''
  const now = () => Date.now() + offset
  let url = ''
  const parts = {
    settings: serverSettings({ port: 0, logLevel: 'debug', ...options.settings, dataDir }),
    db: await openDatabase(join(dataDir, 'imgctl.db')),
    keys: await openKeys(dataDir, now),
    log: createLog('debug', {
      write(line) {
        logged += line
      },
    }),
    now,
    origin: () => url,
    wakeReconciler: () => {},
  }
  const ctx: ServerContext = {
    ...parts,
    blobs: await openBlobStore(dataDir),
    reserve: await openReserve(dataDir),
    accessTokens: createAccessTokens(parts),
  }
  const { apiKey: key } = (await bootstrap(ctx))!
  const whole = {
    api: [imageRoutes(ctx, { principalOf, registryHostOf: (request) => registryHostOf(ctx, request) })],
    registry: registryRoutes(ctx),
  }
  const plugins = options.whole ? whole : { api: [], registry: async () => {}, ...options.plugins }
  const app = await createApp(ctx, plugins, options.bodyMs)
  await app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  return {
    url,
    app,
    ctx,
    key,
    logText: () => logged,
    advance(ms) {
      offset += ms
    },
    call: (method, path, given = {}) => call(method, url + path, { key, ...given }),
    async close() {
      await app.close()
      await ctx.db.destroy()
      await rm(dataDir, { recursive: true })
    },
  }
}

/** A user with one key, in an organization of that slug, which is made when absent. */
export async function addUser(db: Db, slug: string, permissions: Permission[]): Promise<{ key: string }> {
  const createdAt = Date.now()
  const found = await db.selectFrom('organizations').select('id').where('slug', '=', slug).executeTakeFirst()
  const organizationId = found?.id ?? randomUUID()
  if (!found) {
    const organization = { id: organizationId, slug, name: slug, imageQuota: 10, createdAt }
    await db.insertInto('organizations').values(organization).execute()
  }
  const userId = randomUUID()
  const permissionsJson = JSON.stringify(permissions)
  await db.insertInto('users').values({ id: userId, name: 'someone', email: null, createdAt }).execute()
  await db.insertInto('memberships').values({ organizationId, userId, permissionsJson }).execute()
  const { value, hash, masked } = newKeyValue()
  const row = {
    id: randomUUID(),
    organizationId,
    userId,
    name: 'own',
    hash,
    masked,
    permissionsJson,
    createdAt,
  }
  await db
    .insertInto('api_keys')
    .values({ ...row, expiresAt: null, lastUsedAt: null })
    .execute()
  return { key: value }
}

async function call(method: string, url: string, { key, body, headers }: CallOptions): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, as: <T>() => JSON.parse(text) as T }
}
