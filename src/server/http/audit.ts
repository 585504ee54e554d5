import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isStagingTag } from '../content/tags.ts'
import type { ServerContext } from '../context.ts'
import { recordAudit } from '../identity/audit-log.ts'
import { clientAddress } from '../identity/client-address.ts'
import { parseTarget } from '../registry/target.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The name or id in the answer: what was made or changed. */
    auditTarget: string | null
  }
}

const CHANGING = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
/** What each changing route is called. One that is not here is recorded too, under its method and route. */
const ACTIONS: Readonly<Record<string, string>> = {
  'POST /api/images': 'image.create',
  'PATCH /api/images/:idOrName': 'image.update',
  'PATCH /api/images/:idOrName/toggle': 'image.toggle',
  'POST /api/images/:idOrName/retry': 'image.retry',
  'DELETE /api/images/:idOrName': 'image.delete',
  'POST /api/api-keys': 'api-key.create',
  'DELETE /api/api-keys/:name': 'api-key.revoke',
  'POST /api/docker-registry': 'registry.create',
  'PATCH /api/docker-registry/:id': 'registry.update',
  'POST /api/docker-registry/:id/set-default': 'registry.set-default',
  'DELETE /api/docker-registry/:id': 'registry.delete',
}
/** It gives out a token and changes nothing. */
const TOKEN_ROUTE = '/api/registry/token'

/**
 * Writes an entry of the audit log for each change under /api and in the registry, before the answer is sent: what a
 * client knows to be done is in the log. Uploads of blobs are none: a manifest makes something of them.
 */
export function auditChanges(app: FastifyInstance, ctx: ServerContext): void {
  app.decorateRequest('auditTarget', null)
  app.addHook('preSerialization', async (request, _reply, payload) => {
    if (CHANGING.has(request.method)) request.auditTarget = nameOf(payload)
    return payload
  })
  app.addHook('onSend', async (request, reply) => {
    try {
      const change = changeOf(request, reply)
      const { id: requestId, principal = null } = request
      if (!change) return
      const record = { principal, ...change, requestId, address: clientAddress(request) }
      await ctx.reserve.use(() => recordAudit(ctx, record))
    } catch (error) {
      // The change is made: to answer otherwise would be wrong.
      request.log.error({ err: error }, 'the audit log cannot be written')
    }
  })
}

interface Change {
  readonly action: string
  readonly target: string | null
}

function changeOf(request: FastifyRequest, reply: FastifyReply): Change | undefined {
  const { method, routeOptions } = request
  const route = routeOptions.url ?? ''
  if (!CHANGING.has(method) || reply.statusCode >= 400) return undefined
  if (route.startsWith('/v2/')) return registryChange(request, reply)
  if (!route.startsWith('/api/') || route === TOKEN_ROUTE) return undefined
  const named = `${method} ${route}`
  const [first = null] = Object.values(request.params as Record<string, string>)
  return { action: ACTIONS[named] ?? named, target: request.auditTarget ?? first }
}

/**
 * A staging tag is part of a push and no name: what was pushed under it goes by its digest, and that it is taken away
 * again changes nothing.
 */
function registryChange({ method, params }: FastifyRequest, reply: FastifyReply): Change | undefined {
  const target = parseTarget((params as { '*'?: string })['*'] ?? '')
  if (!target) return undefined
  const { kind, repository } = target
  const isStaged = kind === 'manifest' && isStagingTag(target.reference)
  if (isStaged && method === 'DELETE') return undefined
  const reference = isStaged ? String(reply.getHeader('docker-content-digest')) : target.reference
  const name = `${repository.full}${reference.includes(':') ? '@' : ':'}${reference}`
  if (kind === 'manifest')
    return { action: method === 'DELETE' ? 'manifest.delete' : 'manifest.push', target: name }
  return kind === 'blob' && method === 'DELETE' ? { action: 'blob.delete', target: name } : undefined
}

function nameOf(payload: unknown): string | null {
  const { name, id } = (payload ?? {}) as { name?: unknown; id?: unknown }
  return typeof name === 'string' ? name : typeof id === 'string' ? id : null
}
