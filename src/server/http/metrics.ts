import type { FastifyInstance } from 'fastify'
import { IMAGE_STATES } from '../../contract/image.ts'
import type { ServerContext } from '../context.ts'

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const UPLOAD = /^\/v2\/.+\/blobs\/uploads\//
const CREATED = 201
const MS_PER_SECOND = 1000

interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** Serves `GET /metrics`: totals of the whole server, nothing of any one organization. */
export function serveMetrics(app: FastifyInstance, ctx: ServerContext): void {
  const requests = new Map<string, { labels: Record<string, string>; count: number; seconds: number }>()
  let uploads = 0
  app.addHook('onResponse', async (request, reply) => {
    const { method, url } = request
    const labels = { method, route: request.routeOptions.url ?? 'none', status: String(reply.statusCode) }
    const key = Object.values(labels).join(' ')
    const known = requests.get(key) ?? { labels, count: 0, seconds: 0 }
    known.count++
    known.seconds += reply.elapsedTime / MS_PER_SECOND
    requests.set(key, known)
    if (reply.statusCode === CREATED && UPLOAD.test(url)) uploads++
  })
  app.get('/metrics', { config: { public: true }, schema: { hide: true } }, async (_request, reply) => {
    const answered = [...requests.values()]
    const memory = process.memoryUsage()
    const families = [
      family('imgctl_http_requests_total', 'counter', 'Requests answered.', answered.map(countOf)),
      family('imgctl_http_request_seconds_total', 'counter', 'Time spent on them.', answered.map(secondsOf)),
      family('imgctl_uploads_total', 'counter', 'Blobs received or mounted.', [{ value: uploads }]),
      family('imgctl_uploads_open', 'gauge', 'Upload sessions.', await openUploads(ctx)),
      family('imgctl_images', 'gauge', 'Images by state.', await imagesByState(ctx)),
      family('imgctl_blob_bytes', 'gauge', 'Bytes of all blobs.', await blobBytes(ctx)),
      family('process_resident_memory_bytes', 'gauge', 'Resident memory.', [{ value: memory.rss }]),
      family('nodejs_heap_size_used_bytes', 'gauge', 'Heap in use.', [{ value: memory.heapUsed }]),
      family('process_uptime_seconds', 'gauge', 'Time since start.', [{ value: process.uptime() }]),
    ]
    return reply.type(CONTENT_TYPE).header('cache-control', 'no-store').send(families.join(''))
  })
}

function family(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  const lines = samples.map(({ labels, value }) => `${name}${formatLabels(labels)} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

/** JSON escapes what the format wants escaped: backslash, quote and newline. */
function formatLabels(labels: Sample['labels']): string {
  if (!labels) return ''
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return `{${pairs.join(',')}}`
}

function countOf({ labels, count }: { labels: Record<string, string>; count: number }): Sample {
  return { labels, value: count }
}

function secondsOf({ labels, seconds }: { labels: Record<string, string>; seconds: number }): Sample {
  return { labels, value: seconds }
}

async function imagesByState({ db }: ServerContext): Promise<Sample[]> {
  const rows = await db
    .selectFrom('images')
    .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
    .groupBy('state')
    .execute()
  const counts = new Map(rows.map(({ state, count }) => [state, count]))
  return IMAGE_STATES.map((state) => ({ labels: { state }, value: counts.get(state) ?? 0 }))
}

async function openUploads({ db }: ServerContext): Promise<Sample[]> {
  return db
    .selectFrom('uploads')
    .select(({ fn }) => fn.countAll<number>().as('value'))
    .execute()
}

async function blobBytes({ db }: ServerContext): Promise<Sample[]> {
  const sums = await db
    .selectFrom('blobs')
    .select(({ fn }) => fn.sum<number | null>('size').as('sum'))
    .execute()
  return sums.map(({ sum }) => ({ value: sum ?? 0 }))
}
