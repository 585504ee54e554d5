import type { Permission } from '../../../src/contract/identity.ts'
import type { World } from './world.ts'

export interface Request {
  readonly path: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** What one route asks of those who call it. */
export interface Row {
  /** What a key must be allowed to do; `any`: every valid key; `public`: nobody has to log in. */
  readonly needs: Permission | 'any' | 'public'
  /** The status for who may. */
  readonly ok: number
  /** For another organization's administrator: `absent` is 404, `own` acts on what that organization has. */
  readonly stranger: 'absent' | 'own'
  /** What a logged-in user, who has no key, gets instead of `ok`. */
  readonly withToken?: number
  /** A call on something of `default` that is there. Made anew for each call. */
  readonly request: (world: World) => Promise<Request>
}

const fixed = (path: string) => async () => ({ path })
let next = 0

async function image(world: World, suffix = ''): Promise<Request> {
  return { path: `/api/images/${encodeURIComponent((await world.pushImage()).name)}${suffix}` }
}

function registryBody() {
  const name = `registry-${++next}`
  return { name, url: `${name}.example.com`, username: 'robot', password: 'never shown' }
}

async function registry(world: World, suffix = ''): Promise<Request> {
  // There may be a hundred of them.
  await world.ctx.db.deleteFrom('registries').execute()
  const answer = await world.call('POST', '/api/docker-registry', { body: registryBody() })
  return { path: `/api/docker-registry/${answer.as<{ id: string }>().id}${suffix}` }
}

async function failedImage(world: World): Promise<Request> {
  const { name } = await world.pushImage()
  await world.ctx.db.updateTable('images').set({ state: 'error' }).where('name', '=', name).execute()
  return { path: `/api/images/${name}/retry` }
}

/** Keys belong to their user: each caller has its own, so only the stranger's and nobody's call can miss. */
async function apiKey(world: World): Promise<Request> {
  const body = { name: `named ${++next}`, permissions: ['read:images'] }
  await world.call('POST', '/api/api-keys', { body })
  return { path: `/api/api-keys/${encodeURIComponent(body.name)}` }
}

/** One row per route under /api; HEAD is as GET. */
export const API_ROWS: Readonly<Record<string, Row>> = {
  'GET /metrics': { needs: 'public', ok: 200, stranger: 'own', request: fixed('/metrics') },
  'GET /api/health': { needs: 'public', ok: 200, stranger: 'own', request: fixed('/api/health') },
  'GET /api/health/ready': { needs: 'public', ok: 200, stranger: 'own', request: fixed('/api/health/ready') },
  'GET /api/config': { needs: 'public', ok: 200, stranger: 'own', request: fixed('/api/config') },
  'GET /api/openapi.json': { needs: 'public', ok: 200, stranger: 'own', request: fixed('/api/openapi.json') },
  'GET /api/audit': { needs: 'admin', ok: 200, stranger: 'own', request: fixed('/api/audit') },
  'GET /api/users/me': { needs: 'any', ok: 200, stranger: 'own', request: fixed('/api/users/me') },
  'GET /api/organizations': { needs: 'any', ok: 200, stranger: 'own', request: fixed('/api/organizations') },
  'GET /api/api-keys': { needs: 'any', ok: 200, stranger: 'own', request: fixed('/api/api-keys') },
  'GET /api/api-keys/current': {
    needs: 'any',
    ok: 200,
    withToken: 404,
    stranger: 'own',
    request: fixed('/api/api-keys/current'),
  },
  'GET /api/api-keys/:name': { needs: 'any', ok: 200, stranger: 'absent', withToken: 404, request: apiKey },
  'DELETE /api/api-keys/:name': {
    needs: 'read:images',
    ok: 204,
    stranger: 'absent',
    withToken: 404,
    request: apiKey,
  },
  'POST /api/api-keys': {
    needs: 'read:images',
    ok: 201,
    stranger: 'own',
    request: async () => ({
      path: '/api/api-keys',
      body: { name: `made ${++next}`, permissions: ['read:images'] },
    }),
  },
  'GET /api/docker-registry/registry-push-access': {
    needs: 'write:images',
    ok: 200,
    stranger: 'own',
    request: fixed('/api/docker-registry/registry-push-access'),
  },
  'GET /api/docker-registry': {
    needs: 'read:registries',
    ok: 200,
    stranger: 'own',
    request: async (world) => {
      await registry(world)
      return { path: '/api/docker-registry' }
    },
  },
  'POST /api/docker-registry': {
    needs: 'write:registries',
    ok: 201,
    stranger: 'own',
    request: async () => ({ path: '/api/docker-registry', body: registryBody() }),
  },
  'GET /api/docker-registry/:id': {
    needs: 'read:registries',
    ok: 200,
    stranger: 'absent',
    request: registry,
  },
  'PATCH /api/docker-registry/:id': {
    needs: 'write:registries',
    ok: 200,
    stranger: 'absent',
    request: async (world) => ({ ...(await registry(world)), body: { username: 'changed' } }),
  },
  'DELETE /api/docker-registry/:id': {
    needs: 'delete:registries',
    ok: 204,
    stranger: 'absent',
    request: registry,
  },
  'POST /api/docker-registry/:id/set-default': {
    needs: 'write:registries',
    ok: 200,
    stranger: 'absent',
    request: (world) => registry(world, '/set-default'),
  },
  'GET /api/images': {
    needs: 'read:images',
    ok: 200,
    stranger: 'own',
    request: async (world) => {
      await world.pushImage()
      return { path: '/api/images' }
    },
  },
  'POST /api/images': {
    needs: 'write:images',
    ok: 200,
    stranger: 'own',
    request: async () => ({
      path: '/api/images',
      body: { name: `fetched:${++next}`, source: { kind: 'registry', reference: 'debian:12.9' } },
    }),
  },
  'GET /api/images/:idOrName': { needs: 'read:images', ok: 200, stranger: 'absent', request: image },
  'PATCH /api/images/:idOrName': {
    needs: 'write:images',
    ok: 200,
    stranger: 'absent',
    request: async (world) => ({ ...(await image(world)), body: { visibility: 'public' } }),
  },
  'DELETE /api/images/:idOrName': { needs: 'delete:images', ok: 200, stranger: 'absent', request: image },
  'PATCH /api/images/:idOrName/toggle': {
    needs: 'write:images',
    ok: 200,
    stranger: 'absent',
    request: async (world) => ({ ...(await image(world, '/toggle')), body: { enabled: false } }),
  },
  'POST /api/images/:idOrName/retry': {
    needs: 'write:images',
    ok: 200,
    stranger: 'absent',
    request: failedImage,
  },
  'GET /api/images/:idOrName/events': {
    needs: 'read:images',
    ok: 200,
    stranger: 'absent',
    request: (world) => image(world, '/events'),
  },
}
