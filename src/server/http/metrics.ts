import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../context.ts'
import { keptFor } from './kept.ts'
import { CONTENT_TYPE, type Family, family, formatFamily } from './metric-family.ts'
import { RequestMetrics } from './request-metrics.ts'
import { storeFamilies } from './store-metrics.ts'

const UPLOAD = /^\/v2\/.+\/blobs\/uploads\//
const CREATED = 201
const NS_PER_SECOND = 1e9
const US_PER_SECOND = 1e6
/** How often the event loop is looked at, milliseconds: what is late by less is no lag. */
const LOOP_RESOLUTION_MS = 20
/** Anyone may ask, and the sums look at each image and blob: who asks at the same time shares them. */
const KEEP_MS = 1_000

/** Serves `GET /metrics`: totals of the whole server, nothing of any one organization. docs/server.md lists them. */
export function serveMetrics(app: FastifyInstance, ctx: ServerContext): void {
  const requests = new RequestMetrics(app)
  const storeNow = keptFor(KEEP_MS, () => storeFamilies(ctx))
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  loop.enable()
  app.addHook('onClose', async () => {
    loop.disable()
  })
  let uploads = 0
  app.addHook('onResponse', async ({ url }, { statusCode }) => {
    if (statusCode === CREATED && UPLOAD.test(url)) uploads++
  })
  app.get('/metrics', { config: { public: true }, schema: { hide: true } }, async (_request, reply) => {
    const families = [
      family('imgctl_build_info', 'gauge', 'The version that runs; always 1.', [
        { labels: { version: ctx.settings.version, node: process.versions.node }, value: 1 },
      ]),
      ...requests.families(),
      family('imgctl_uploads_total', 'counter', 'Blobs received or mounted.', uploads),
      ...(await storeNow()),
      ...processFamilies(loop.percentile(99), loop.max),
    ]
    // Each scrape sees the time since the one before.
    loop.reset()
    return reply
      .type(CONTENT_TYPE)
      .header('cache-control', 'no-store')
      .send(families.map(formatFamily).join(''))
  })
}

/** @param lag99 nanoseconds, as `lagMax` */
function processFamilies(lag99: number, lagMax: number): Family[] {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return [
    family('nodejs_eventloop_lag_p99_seconds', 'gauge', 'Since the last scrape.', seconds(lag99)),
    family('nodejs_eventloop_lag_max_seconds', 'gauge', 'Since the last scrape.', seconds(lagMax)),
    family('nodejs_heap_size_used_bytes', 'gauge', 'Heap in use.', heapUsed),
    family('process_resident_memory_bytes', 'gauge', 'Resident memory.', rss),
    family('process_cpu_seconds_total', 'counter', 'User and system time.', (user + system) / US_PER_SECOND),
    family('process_uptime_seconds', 'gauge', 'Time since start.', process.uptime()),
  ]
}

/** Nothing measured yet is no number. */
function seconds(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? nanoseconds / NS_PER_SECOND : 0
}
