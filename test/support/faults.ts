import { randomUUID } from 'node:crypto'
import type { Exchange, Fault, FaultFor } from './fault.ts'
import { EXPORTS, UPLOADS } from './fault-proxy.ts'

/** The fault happens to requests of this kind. */
export function on(method: string | undefined, path: RegExp, fault: Fault | FaultFor): FaultFor {
  return (exchange) => {
    const isMeant = (method ?? exchange.method) === exchange.method && path.test(exchange.path)
    return isMeant ? (typeof fault === 'function' ? fault(exchange) : fault) : undefined
  }
}

/** ... to the parts of blobs. */
export const onParts = (fault: Fault | FaultFor): FaultFor => on('PATCH', UPLOADS, fault)

/** ... to the request that makes a blob of what was sent. */
export const onCommits = (fault: Fault | FaultFor): FaultFor => on('PUT', UPLOADS, fault)

/** ... to everything that uploads blobs, and to nothing that asks. */
export function onUploads(fault: Fault | FaultFor): FaultFor {
  return on(undefined, UPLOADS, (exchange) =>
    /^(?:POST|PATCH|PUT)$/.test(exchange.method)
      ? typeof fault === 'function'
        ? fault(exchange)
        : fault
      : undefined,
  )
}

/** Only the first `count` times that it would happen. */
export function times(count: number, faultFor: FaultFor): FaultFor {
  let left = count
  return (exchange) => {
    const fault = left > 0 ? faultFor(exchange) : undefined
    if (fault) left--
    return fault
  }
}

/** All of them; of two that answer the first does. */
export function together(...all: readonly FaultFor[]): FaultFor {
  return (exchange) => Object.assign({}, ...all.map((faultFor) => faultFor(exchange)).reverse())
}

/** What a registry answers with an error. */
export function refusal(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Fault {
  const body = JSON.stringify({ errors: [{ code, message: 'refused for a test' }] })
  return { answer: { status, headers: { 'content-type': 'application/json', ...headers }, body } }
}

/** Each connection is broken after so many bytes of bodies. */
export const cutsConnections =
  (afterBytes: number): FaultFor =>
  () => ({ cutConnectionAfter: afterBytes })

/** Bodies above `limit` are refused unread, as nginx does. */
export const limitsBodies =
  (limit: number): FaultFor =>
  ({ headers }) =>
    Number(headers['content-length'] ?? 0) > limit || headers['transfer-encoding']
      ? { answer: { status: 413, headers: { server: 'nginx/1.27' }, body: '<html>413', after: 1 } }
      : undefined

/** The first session that was sent so many bytes is forgotten: whatever is asked of it is answered 404 from then on. */
export function losesSession(afterBytes: number): FaultFor {
  let lost: string | undefined
  const sent = new Map<string, Exchange[]>()
  return (exchange) => {
    const session = /\/blobs\/uploads\/[^?]+/.exec(exchange.path)?.[0]
    if (session === undefined) return undefined
    const earlier = sent.get(session) ?? []
    const bytes = earlier.reduce((sum, each) => sum + each.sent, 0)
    if (exchange.method === 'PATCH' && bytes >= afterBytes) lost ??= session
    sent.set(session, [...earlier, exchange])
    return session === lost ? refusal(404, 'BLOB_UPLOAD_UNKNOWN') : undefined
  }
}

/** Uploads go on at another origin, where the registry is, too. */
export function movesUploads(origin: string): FaultFor {
  return on('POST', UPLOADS, {
    head: ({ location, ...headers }) =>
      location === undefined ? headers : { ...headers, location: elsewhere(location, origin) },
  })
}

/** Blobs are looked for at another origin, where the registry is, too. */
export function redirectsReads(origin: string): FaultFor {
  return ({ method, path }) =>
    /^(?:GET|HEAD)$/.test(method) && /\/blobs\/sha256:/.test(path)
      ? { answer: { status: 307, headers: { location: elsewhere(path, origin) } } }
      : undefined
}

function elsewhere(location: string, origin: string): string {
  const { pathname, search } = new URL(location, origin)
  return `${origin}${pathname}${search}`
}

/** Every blob is said to be there, with the size that it was asked for before; none is mounted. */
export function claimsBlobs(sizes: ReadonlyMap<string, number>): FaultFor {
  return ({ method, path }) => {
    if (path.includes('mount=')) return { answer: { status: 403 } }
    const digest = /\/blobs\/(sha256:[0-9a-f]+)$/.exec(path)?.[1]
    const size = digest && method === 'HEAD' ? sizes.get(digest) : undefined
    return size === undefined
      ? undefined
      : { answer: { status: 200, headers: { 'content-length': String(size) } } }
  }
}

/** Tokens of a registry that end early. */
export interface TokenGate {
  readonly faultFor: FaultFor
  /** How many were given. */
  readonly given: () => number
  /** Requests whose token had ended. */
  readonly refused: () => number
}

/** When tokens end: after a time, and all that were given until then once so many bytes of blobs came. */
export interface TokenLife {
  readonly seconds?: number
  readonly uploaded?: number
}

/** A token that has ended is noticed when so much of the body was read. */
const READ_OF_REFUSED = 1024 * 1024

/**
 * Tokens that end early. In front of a registry that asks for none they are given here; those of a registry that gives
 * its own are told to end so soon, and do.
 */
export function endsTokens(
  { seconds = 3600, uploaded = Number.POSITIVE_INFINITY }: TokenLife,
  registry: { readonly givesTokens: boolean },
): TokenGate {
  const endsAt = new Map<string, number>()
  const uploads: Exchange[] = []
  let isRevoked = false
  let refused = 0
  const path = registry.givesTokens ? '/api/registry/token' : '/token'
  const keep = (token: string): string => {
    endsAt.set(token, Date.now() + seconds * 1000)
    return token
  }
  const made = () => JSON.stringify({ token: keep(randomUUID()), expires_in: seconds })
  const shortened = (text: string) => {
    const answer = JSON.parse(text)
    return JSON.stringify({ ...answer, token: keep(answer.token), expires_in: seconds })
  }
  const revokeWhenDue = (exchange: Exchange) => {
    if (UPLOADS.test(exchange.path)) uploads.push(exchange)
    if (isRevoked || uploads.reduce((sum, { sent }) => sum + sent, 0) < uploaded) return
    isRevoked = true
    for (const token of endsAt.keys()) endsAt.set(token, 0)
  }
  const faultFor: FaultFor = (exchange) => {
    revokeWhenDue(exchange)
    if (exchange.path.startsWith(path)) {
      return registry.givesTokens ? { body: shortened } : { answer: { status: 200, body: made() } }
    }
    const token = /^Bearer (.*)$/.exec(exchange.headers.authorization ?? '')?.[1]
    const isAsked = exchange.path.startsWith('/v2/') && (token !== undefined || !registry.givesTokens)
    if (!isAsked || Date.now() < (endsAt.get(token ?? '') ?? 0)) return undefined
    if (token !== undefined) refused++
    const challenge = `Bearer realm="http://${exchange.headers.host}${path}",service="test"`
    const { answer } = refusal(401, 'UNAUTHORIZED', { 'www-authenticate': challenge })
    return { answer: { ...answer!, after: READ_OF_REFUSED } }
  }
  return { faultFor, given: () => endsAt.size, refused: () => refused }
}

/** An engine that dies when its exports have given so many bytes: from then on it takes no connection. */
export function diesInExport(afterBytes: number): FaultFor {
  const exports: Exchange[] = []
  return (exchange) => {
    const isDead = exports.some(({ isCut }) => isCut)
    if (isDead) return { cutAfter: 0 }
    if (!EXPORTS.test(exchange.path)) return undefined
    exports.push(exchange)
    return { truncateAfter: afterBytes }
  }
}
