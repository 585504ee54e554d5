import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerSettings } from '../context.ts'
import { clientAddress } from '../identity/client-address.ts'
import { siteOf } from '../identity/site.ts'

const WINDOW_MS = 60_000
/** A team behind one address logs in and refreshes with far fewer; each may leave a row until it expires. */
const ISSUER_REQUESTS = 600

export interface RateLimits {
  /** Counts a request against its address. @throws ImgctlError RATE_LIMITED with retryAfter */
  readonly perAddress: (request: FastifyRequest) => Promise<void>
  /** Counts a request at the issuer against its address, besides. @throws as perAddress */
  readonly atIssuer: (request: FastifyRequest) => Promise<void>
  /** Counts a request against its API key, or its token's user; nothing for a request without. @throws as perAddress */
  readonly perKey: (request: FastifyRequest) => Promise<void>
}

/** Limits by fixed windows of a minute, held in memory: they stop a loop that went wild, not an attack. */
export async function createRateLimits(
  app: FastifyInstance,
  { requestsPerMinute }: ServerSettings['limits'],
): Promise<RateLimits> {
  await app.register(rateLimit, { global: false, timeWindow: WINDOW_MS })
  const address = app.createRateLimit({
    max: requestsPerMinute.address,
    keyGenerator: (request) => siteOf(clientAddress(request)),
  })
  const key = app.createRateLimit({
    max: requestsPerMinute.key,
    keyGenerator: (request) => keyOf(request) ?? '',
  })
  const issuer = app.createRateLimit({
    max: Math.min(requestsPerMinute.address, ISSUER_REQUESTS),
    keyGenerator: (request) => siteOf(clientAddress(request)),
  })
  return {
    atIssuer: async (request) => assertAllowed(await issuer(request)),
    perAddress: async (request) => assertAllowed(await address(request)),
    perKey: async (request) => {
      if (keyOf(request) !== undefined) assertAllowed(await key(request))
    },
  }
}

function keyOf({ principal, tokenLogin }: FastifyRequest): string | undefined {
  return principal?.keyId ?? tokenLogin?.userId
}

type Limit = Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>

function assertAllowed(limit: Limit): void {
  if (limit.isAllowed || !limit.isExceeded) return
  throw new ImgctlError('RATE_LIMITED', `more than ${limit.max} requests in a minute`, {
    retryable: true,
    retryAfter: limit.ttlInSeconds,
    hint: `wait ${limit.ttlInSeconds} seconds`,
  })
}
