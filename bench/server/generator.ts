import { createCipheriv, createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { Pool } from 'undici'
import { KeepAlive } from './keep-alive.ts'

/**
 * The client of the server benchmarks: a process of its own, so that what it does is not counted as the server's. Takes
 * a Task as JSON on its command line and prints a Report.
 */
export interface Task {
  readonly kind: 'put' | 'get' | 'rate'
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  /** put, get: so many different blobs of so many bytes each, in this repository. */
  readonly repository?: string
  readonly count?: number
  readonly bytes?: number
  /** rate: this request, again and again for so many seconds, or so many times. */
  readonly method?: 'GET' | 'HEAD'
  readonly path?: string
  readonly seconds?: number
  readonly times?: number
}

export interface Report {
  readonly requests: number
  readonly seconds: number
  /** CPU seconds of this client: near `seconds` it is the client that limits. */
  readonly cpu: number
  /** Milliseconds. */
  readonly p50: number
  readonly p95: number
}

const MB = 1024 * 1024
/** Without it distribution answers manifests in a form that OCI images have not. */
const ACCEPT = 'application/vnd.oci.image.manifest.v1+json, application/json'
/** Blobs larger than this repeat their content. */
const PATTERN_BYTES = 64 * MB

async function generate(task: Task): Promise<Report> {
  const pool = new Pool(task.origin, { connections: task.connections, bodyTimeout: 0, headersTimeout: 0 })
  const steps = task.kind === 'rate' ? rate(task) : blobs(pool, task)
  const times: number[] = []
  const started = performance.now()
  const cpu = process.cpuUsage()
  const deadline = task.seconds === undefined ? Number.POSITIVE_INFINITY : started + task.seconds * 1000
  let next = 0
  const worker = async () => {
    while (next < steps.count && performance.now() < deadline) {
      const index = next++
      const before = performance.now()
      await steps.run(index)
      times.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: Math.min(task.connections, steps.count) }, worker))
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  steps.close?.()
  await pool.close()
  const sorted = times.sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  return { requests: times.length, seconds, cpu: (user + system) / 1e6, p50: at(0.5), p95: at(0.95) }
}

interface Steps {
  readonly count: number
  run(index: number): Promise<void>
  close?(): void
}

function rate({ origin, method = 'GET', path = '/', headers, connections, times }: Task): Steps {
  const idle = Array.from(
    { length: connections },
    () => new KeepAlive(origin, method, path, { accept: ACCEPT, ...headers }),
  )
  return {
    count: times ?? Number.POSITIVE_INFINITY,
    run: async () => {
      const connection = idle.pop()!
      const status = await connection.send()
      idle.push(connection)
      if (status !== 200) throw new Error(`${method} ${path} answered ${status}`)
    },
    close: () => {
      for (const connection of idle) connection.close()
    },
  }
}

/** Uploads as docker does them (POST, then all bytes), or downloads of what was uploaded. */
function blobs(pool: Pool, { kind, repository, headers, count = 1, bytes = MB }: Task): Steps {
  const contents = Array.from({ length: count }, (_, i) => new Content(i, bytes))
  const run = async (index: number) => {
    const content = contents[index]!
    if (kind === 'get') return get(pool, `/v2/${repository}/blobs/${content.digest}`, headers, bytes)
    const post = await pool.request({ method: 'POST', path: `/v2/${repository}/blobs/uploads/`, headers })
    await post.body.dump()
    if (post.statusCode !== 202) throw new Error(`POST answered ${post.statusCode}`)
    const location = new URL(String(post.headers['location']), 'http://server')
    location.searchParams.set('digest', content.digest)
    const put = await pool.request({
      method: 'PUT',
      path: location.pathname + location.search,
      headers: {
        ...headers,
        'content-length': String(bytes),
        'content-type': 'application/octet-stream',
      },
      body: Readable.from(content.chunks(), { objectMode: false }),
    })
    const answer = await put.body.text()
    if (put.statusCode !== 201) throw new Error(`PUT answered ${put.statusCode}: ${answer}`)
  }
  return { count, run }
}

async function get(
  pool: Pool,
  path: string,
  headers: Readonly<Record<string, string>>,
  bytes: number,
): Promise<void> {
  const { statusCode, body } = await pool.request({ method: 'GET', path, headers })
  let length = 0
  body.on('data', (chunk: Buffer) => {
    length += chunk.length
  })
  await new Promise<void>((resolve, reject) => body.once('end', resolve).once('error', reject))
  if (statusCode !== 200 || length !== bytes) throw new Error(`${path}: ${statusCode}, ${length} bytes`)
}

let pattern: Buffer | undefined

/** Bytes that no two blobs share and no compressor makes smaller, the same in every run. */
class Content {
  readonly digest: string
  readonly #head = Buffer.alloc(16)
  readonly #bytes: number

  constructor(index: number, bytes: number) {
    this.#head.writeUInt32LE(index)
    this.#bytes = bytes
    const length = Math.min(bytes, PATTERN_BYTES)
    if (!pattern || pattern.length < length) {
      pattern = createCipheriv('aes-128-ctr', Buffer.alloc(16, 3), Buffer.alloc(16)).update(
        Buffer.alloc(length),
      )
    }
    const hash = createHash('sha256')
    for (const chunk of this.chunks()) hash.update(chunk)
    this.digest = `sha256:${hash.digest('hex')}`
  }

  *chunks(): Generator<Buffer> {
    yield this.#head.subarray(0, this.#bytes)
    for (let at = this.#head.length; at < this.#bytes; ) {
      const from = at % pattern!.length
      const part = pattern!.subarray(from, Math.min(from + MB, from + this.#bytes - at))
      yield part
      at += part.length
    }
  }
}

if (process.argv[1] === import.meta.filename) {
  console.log(JSON.stringify(await generate(JSON.parse(process.argv[2]!) as Task)))
}
