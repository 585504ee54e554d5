import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Family, family, type Labels, type Sample } from './metric-family.ts'

/** From a manifest in memory to a layer over a bad line, in seconds. */
const BUCKETS = [0.005, 0.025, 0.1, 0.25, 1, 5, 30, 120, 600]
const MS_PER_SECOND = 1000
/** The kinds of resources below `/v2/<name>/`; names may hold these words, so that the end decides. */
const KINDS = /\/(manifests|blobs\/uploads|blobs|tags|referrers)\/[^/]*$/

interface Histogram {
  readonly labels: Labels
  /** As many as took no longer than each of BUCKETS. */
  readonly buckets: number[]
  sum: number
  count: number
}

/** What went over the wire, counted as the requests end. */
export class RequestMetrics {
  readonly #counts = new Map<string, { labels: Labels; count: number }>()
  readonly #durations = new Map<string, Histogram>()
  /** What of each connection has been counted already. */
  readonly #counted = new WeakMap<Socket, { read: number; written: number }>()
  #received = 0
  #sent = 0
  #inFlight = 0

  constructor(app: FastifyInstance) {
    app.addHook('onRequest', async ({ raw: { socket } }, { raw: answer }) => {
      this.#inFlight++
      // Also when the client goes away first.
      answer.once('close', () => {
        this.#inFlight--
        // The request itself may have lost it by then.
        this.#countBytes(socket)
      })
    })
    app.addHook('onResponse', async (request, reply) => this.#count(request, reply))
  }

  families(): Family[] {
    const counts = [...this.#counts.values()].map(({ labels, count }) => ({ labels, value: count }))
    const durations = [...this.#durations.values()].flatMap(histogramSamples)
    return [
      family('imgctl_http_requests_total', 'counter', 'Requests answered.', counts),
      family(
        'imgctl_http_request_duration_seconds',
        'histogram',
        'From the head to the last byte.',
        durations,
      ),
      family('imgctl_http_requests_in_flight', 'gauge', 'Requests not answered yet.', this.#inFlight),
      family('imgctl_http_received_bytes_total', 'counter', 'Bytes that clients sent.', this.#received),
      family('imgctl_http_sent_bytes_total', 'counter', 'Bytes sent to clients.', this.#sent),
    ]
  }

  #count(request: FastifyRequest, { statusCode, elapsedTime }: FastifyReply): void {
    const { method } = request
    const route = routeOf(request)
    const labels = { method, route, status: String(statusCode) }
    const key = `${method} ${route} ${statusCode}`
    const known = this.#counts.get(key) ?? { labels, count: 0 }
    known.count++
    this.#counts.set(key, known)
    this.#observe(`${method} ${route}`, { method, route }, elapsedTime / MS_PER_SECOND)
  }

  #observe(key: string, labels: Labels, seconds: number): void {
    const known = this.#durations.get(key) ?? { labels, buckets: BUCKETS.map(() => 0), sum: 0, count: 0 }
    for (const [index, limit] of BUCKETS.entries()) if (seconds <= limit) known.buckets[index]!++
    known.sum += seconds
    known.count++
    this.#durations.set(key, known)
  }

  #countBytes(socket: Socket): void {
    const { bytesRead, bytesWritten } = socket
    const before = this.#counted.get(socket) ?? { read: 0, written: 0 }
    this.#received += bytesRead - before.read
    this.#sent += bytesWritten - before.written
    this.#counted.set(socket, { read: bytesRead, written: bytesWritten })
  }
}

/** The route, never the path: there are as many as there are routes. */
function routeOf({ routeOptions, url }: FastifyRequest): string {
  const route = routeOptions.url ?? 'none'
  if (route !== '/v2/*') return route
  const kind = KINDS.exec(url.split('?', 1)[0] ?? '')?.[1]
  return kind ? `/v2/*/${kind}` : route
}

function histogramSamples({ labels, buckets, sum, count }: Histogram): Sample[] {
  const limited = buckets.map((value, index) => ({
    suffix: '_bucket',
    labels: { ...labels, le: String(BUCKETS[index]) },
    value,
  }))
  return [
    ...limited,
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: sum },
    { suffix: '_count', labels, value: count },
  ]
}
