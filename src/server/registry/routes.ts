import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { isStagingTag } from '../content/tags.ts'
import type { ServerContext } from '../context.ts'
import { challenge, requireAccess, requireCaller } from './access.ts'
import { deleteBlob, getBlob } from './blobs.ts'
import type { Call } from './call.ts'
import type { Action } from './caller.ts'
import { getCatalog } from './catalog.ts'
import { replyAsRegistry } from './error-reply.ts'
import { getReferrers, getTags } from './listings.ts'
import { getManifest, putManifest, removeManifest } from './manifests.ts'
import { RegistryError } from './registry-error.ts'
import { parseTarget, type Target, type TargetKind } from './target.ts'
import { tokenRoutes } from './token.ts'
import { appendToUpload, cancelUpload, finishUpload, getUpload, startUpload } from './uploads.ts'

type Method = 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

interface Operation {
  /** What the caller must be allowed to do in the repository. */
  readonly action: Action
  readonly run: (call: Call) => Promise<unknown>
}

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints */
export const OPERATIONS: Readonly<Record<TargetKind, Partial<Record<Method, Operation>>>> = {
  manifest: {
    GET: { action: 'pull', run: getManifest },
    HEAD: { action: 'pull', run: getManifest },
    PUT: { action: 'push', run: putManifest },
    DELETE: { action: 'delete', run: removeManifest },
  },
  blob: {
    GET: { action: 'pull', run: getBlob },
    HEAD: { action: 'pull', run: getBlob },
    DELETE: { action: 'delete', run: deleteBlob },
  },
  uploads: { POST: { action: 'push', run: startUpload } },
  upload: {
    GET: { action: 'push', run: getUpload },
    PATCH: { action: 'push', run: appendToUpload },
    PUT: { action: 'push', run: finishUpload },
    DELETE: { action: 'push', run: cancelUpload },
  },
  tags: { GET: { action: 'pull', run: getTags } },
  referrers: { GET: { action: 'pull', run: getReferrers } },
}

/** The embedded OCI registry: `/v2/` and the token endpoint. It authenticates by itself. */
export function registryRoutes(ctx: ServerContext): FastifyPluginAsync {
  return async (app) => {
    await app.register(async (scope) => {
      scope.setErrorHandler(replyAsRegistry)
      tokenRoutes(scope, ctx)
    })
    await app.register(async (scope) => {
      scope.setErrorHandler(replyAsRegistry)
      distributionRoutes(scope, ctx)
    })
  }
}

function distributionRoutes(app: FastifyInstance, ctx: ServerContext): void {
  // Bodies are streams that the operations read themselves.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('docker-distribution-api-version', 'registry/2.0')
  })
  for (const url of ['/v2', '/v2/']) {
    app.get(url, async (request, reply) => {
      const caller = await requireCaller(ctx, request)
      if (!caller.principal && !caller.grants) throw challenge(ctx, request, [])
      return reply.send({})
    })
  }
  app.get('/v2/_catalog', (request, reply) => getCatalog(ctx, request, reply))
  const others = app.supportedMethods.filter((method) => method !== 'GET' && method !== 'HEAD')
  for (const url of ['/v2', '/v2/', '/v2/_catalog']) {
    app.route({ method: others, url, handler: (request) => refuseMethod(request, ['GET', 'HEAD']) })
  }
  app.route<{ Params: { '*': string } }>({
    method: app.supportedMethods,
    url: '/v2/*',
    exposeHeadRoute: false,
    handler: (request, reply) => dispatch(ctx, request, reply, request.params['*']),
  })
}

async function dispatch(
  ctx: ServerContext,
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
): Promise<unknown> {
  const target = parseTarget(path)
  if (!target) throw new RegistryError(404, 'UNSUPPORTED', 'the distribution protocol has no such path')
  const operations = OPERATIONS[target.kind]
  const operation = operations[request.method as Method]
  if (!operation) return refuseMethod(request, Object.keys(operations))
  const access = await requireAccess(ctx, request, target.repository, actionOf(operation, target))
  // For the log, and the log of changes.
  request.principal = access.caller.principal ?? null
  const query = new URL(request.url, 'http://server').searchParams
  return operation.run({ ctx, request, reply, target, access, query })
}

/** Whoever may push may take a staging tag away again: it is part of a push, and no image. */
function actionOf({ action }: Operation, { kind, reference }: Target): Action {
  return kind === 'manifest' && action === 'delete' && isStagingTag(reference) ? 'push' : action
}

function refuseMethod({ method }: FastifyRequest, allowed: readonly string[]): never {
  throw new RegistryError(405, 'UNSUPPORTED', `${method} is not possible here`, {
    headers: { allow: allowed.join(', ') },
  })
}
