import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { ServerContext } from '../context.ts'
import { trustedProxies } from '../identity/client-address.ts'
import { ISSUER_PATH } from '../identity/issuer.ts'
import { rewriteImageUrl } from '../images/image-url.ts'
import { isRegistryUrl, replyAsRegistry } from '../registry/error-reply.ts'
import { apiKeyRoutes } from './api-key-routes.ts'
import { auditChanges } from './audit.ts'
import { auditRoutes } from './audit-routes.ts'
import { authenticate } from './authentication.ts'
import { limitBodyTime } from './body-time.ts'
import { answerClientError } from './client-error.ts'
import { configRoutes } from './config-routes.ts'
import { dockerRegistryRoutes } from './docker-registry-routes.ts'
import { notFound, replyWithError } from './error-reply.ts'
import { healthRoutes } from './health-routes.ts'
import { meRoutes } from './me-routes.ts'
import { serveMetrics } from './metrics.ts'
import { describeApi, describeErrors, serveOpenApi } from './openapi.ts'
import { createRateLimits, type RateLimits } from './rate-limit.ts'
import { logRequests } from './request-log.ts'
import { sendSecurityHeaders } from './security-headers.ts'
import { readTls } from './tls.ts'
import { schemaErrorFormatter, validatorCompiler } from './validation.ts'

/** What others serve. */
export interface AppPlugins {
  /** Mounted under /api: authenticated, rate-limited, JSON. */
  readonly api: readonly FastifyPluginAsyncTypebox[]
  /** Mounted at /: `/v2/*` and the token endpoint; authenticates by itself, and its bodies are not read. */
  readonly registry: FastifyPluginAsyncTypebox
  /** Mounted under /oidc: the issuer and its pages. */
  readonly issuer?: FastifyPluginAsyncTypebox | undefined
}

/** Bodies under /api are small documents: bytes of images go to /v2. */
const MAX_JSON_BYTES = 1024 * 1024
/** A connection on which nothing moves is cut; a transfer may take as long as it moves. */
const IDLE_TIMEOUT_MS = 5 * 60_000
/** Longer than the usual 60 s of a proxy in front, which must be the one to close an idle connection. */
const KEEP_ALIVE_MS = 72_000
/** `name` of a repository may be long: distribution/reference allows 255 characters. */
const MAX_PARAMETER_LENGTH = 600

/**
 * The HTTP application. It does not listen yet.
 *
 * @param bodyMs how long the body of a small document may take
 */
export async function createApp(
  ctx: ServerContext,
  plugins: AppPlugins,
  bodyMs?: number,
): Promise<FastifyInstance> {
  const app = await newFastify(ctx)
  app.setValidatorCompiler(validatorCompiler)
  app.setSchemaErrorFormatter(schemaErrorFormatter)
  app.setErrorHandler(replyWithError)
  app.setNotFoundHandler(notFound)
  logRequests(app)
  sendSecurityHeaders(app, ctx.settings)
  limitBodyTime(app, bodyMs)
  auditChanges(app, ctx)
  const limits = await createRateLimits(app, ctx.settings.limits)
  await describeApi(app, ctx.settings)
  serveMetrics(app, ctx)
  await app.register(registryScope(plugins.registry, limits))
  if (plugins.issuer) {
    const { issuer } = plugins
    await app.register(
      async (scope) => {
        scope.addHook('onRequest', limits.atIssuer)
        await scope.register(issuer)
      },
      { prefix: ISSUER_PATH },
    )
  }
  await app.register(apiScope(ctx, plugins.api, limits), { prefix: '/api' })
  return app
}

async function newFastify({ settings, log }: ServerContext): Promise<FastifyInstance> {
  const options = {
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    bodyLimit: MAX_JSON_BYTES,
    // No limit on the time that a whole request takes: a layer may take an hour.
    requestTimeout: 0,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    trustProxy: trustedProxies(settings.trustedProxies),
    rewriteUrl: ({ url = '/' }) => rewriteImageUrl(url),
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      isRegistryUrl(request.url)
        ? replyAsRegistry(error, request, reply)
        : replyWithError(error, request, reply),
    clientErrorHandler: answerClientError,
  } as const
  const app = settings.tls ? fastify({ ...options, https: await readTls(settings.tls) }) : fastify(options)
  return app as unknown as FastifyInstance
}

function registryScope(plugin: AppPlugins['registry'], limits: RateLimits): FastifyPluginAsyncTypebox {
  return async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    scope.addHook('onRoute', (route) => {
      if (route.url.startsWith('/v2')) route.schema = { ...route.schema, hide: true }
    })
    scope.addHook('onRequest', async (request) => {
      if (request.url.startsWith('/api/')) await limits.perAddress(request)
    })
    await scope.register(plugin)
  }
}

function apiScope(
  ctx: ServerContext,
  plugins: AppPlugins['api'],
  limits: RateLimits,
): FastifyPluginAsyncTypebox {
  return async (scope) => {
    readJsonBodies(scope)
    describeErrors(scope)
    scope.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })
    scope.addHook('onRequest', limits.perAddress)
    authenticate(scope, ctx)
    scope.addHook('onRequest', limits.perKey)
    const own = [healthRoutes, configRoutes, meRoutes, apiKeyRoutes, dockerRegistryRoutes, auditRoutes]
    for (const routes of own) await scope.register(routes(ctx))
    for (const plugin of plugins) await scope.register(plugin)
    serveOpenApi(scope)
  }
}

/** JSON and nothing else; an empty body of type JSON, which some clients send with DELETE, is no body. */
function readJsonBodies(scope: Parameters<FastifyPluginAsyncTypebox>[0]): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null)
    else parse(request, body as string, done)
  })
}
