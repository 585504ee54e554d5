import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { installPrerequisites } from '../test/services/install.ts'
import { benchOptions } from './options.ts'
import { type Goal, printResults, type Row, writeResults } from './results.ts'
import { type Contender, Distribution, Imgctl } from './server/contender.ts'
import { serverGoals } from './server/goals.ts'
import { fillImages } from './server/image-table.ts'
import { median } from './side-by-side.ts'

const MIB = 1024 * 1024
const STARTS = 5
const IDLE_MS = 5000
const LIST_REQUESTS = 200

interface Sizes {
  readonly largeBytes: number
  readonly smallBlobs: number
  readonly uploads: number
  readonly uploadBytes: number
  readonly seconds: number
  readonly images: number
}

const FULL: Sizes = {
  largeBytes: 1024 * MIB,
  smallBlobs: 10_000,
  uploads: 64,
  uploadBytes: 16 * MIB,
  seconds: 5,
  images: 100_000,
}
const QUICK: Sizes = {
  largeBytes: 32 * MIB,
  smallBlobs: 200,
  uploads: 16,
  uploadBytes: MIB,
  seconds: 1,
  images: 2000,
}

/**
 * Goals: those of the design of the server. `imgctl serve` and CNCF distribution in turn, each on an empty folder; the
 * load comes from a process of its own. Options: `--quick`, `--rounds N` (of the large blob), `--json FILE`, `--only
 * registry,list,start`.
 */
export default async function server(args: string[]): Promise<void> {
  const { quick, rounds, json, only } = benchOptions(args, { rounds: 3 })
  await installPrerequisites((line) => console.error(line))
  const sizes = quick ? QUICK : FULL
  const wanted = (part: string) => !only || only.includes(part)
  const rows: Row[] = []
  for (const create of [Distribution.create, Imgctl.create]) {
    const contender = await create()
    try {
      if (wanted('start')) rows.push(...(await startAndIdle(contender)))
      else await contender.start()
      if (wanted('registry')) rows.push(...(await registryLoad(contender, sizes, rounds)))
      if (wanted('list') && contender instanceof Imgctl) rows.push(...(await lists(contender, sizes.images)))
    } finally {
      await contender.close()
    }
  }
  const ordered = [...new Set(rows.map((row) => row.case))].flatMap((name) =>
    rows.filter((row) => row.case === name),
  )
  const goals: Goal[] = quick ? [] : serverGoals(ordered)
  const title = quick ? 'server --quick (small loads: no goal is judged)' : 'server'
  const results = { title, rows: ordered, goals }
  printResults(results)
  if (json) writeResults(json, results)
}

async function startAndIdle(contender: Contender): Promise<Row[]> {
  // The first start makes the folder, and is not one that an operator waits for again and again.
  await contender.start()
  const times: number[] = []
  for (let i = 0; i < STARTS; i++) {
    await contender.stop()
    times.push(await contender.start())
  }
  await sleep(IDLE_MS)
  const { now } = await contender.memory()
  return [
    { case: 'start to ready', who: contender.who, values: { seconds: median(times) } },
    { case: 'idle', who: contender.who, values: { 'RSS MB': now } },
  ]
}

async function registryLoad(contender: Contender, sizes: Sizes, rounds: number): Promise<Row[]> {
  const rows: Row[] = []
  const row = (name: string, values: Row['values']) => {
    console.error(`  ${contender.who} · ${name}: ${JSON.stringify(values)}`)
    rows.push({ case: name, who: contender.who, values })
  }
  const large = { count: 1, bytes: sizes.largeBytes, connections: 1 } as const
  const [puts, gets]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    spawnSync('sync')
    puts.push((await contender.load(`large-${round}`, { kind: 'put', ...large })).seconds)
    for (let i = 0; i < 2; i++)
      gets.push((await contender.load(`large-${round}`, { kind: 'get', ...large })).seconds)
  }
  const mib = sizes.largeBytes / MIB
  row(`blob PUT ${mib} MiB`, { seconds: median(puts), 'MB/s': sizes.largeBytes / 1e6 / median(puts) })
  row(`blob GET ${mib} MiB`, { seconds: median(gets), 'MB/s': sizes.largeBytes / 1e6 / median(gets) })

  const small = { count: sizes.smallBlobs, bytes: 4096, connections: 32 } as const
  spawnSync('sync')
  const put = await contender.load('small', { kind: 'put', ...small })
  row(`${sizes.smallBlobs} blobs of 4 KB, PUT`, {
    seconds: put.seconds,
    '1/s': small.count / put.seconds,
    'client CPU s': put.cpu,
  })
  const get = await contender.load('small', { kind: 'get', ...small })
  row(`${sizes.smallBlobs} blobs of 4 KB, GET`, {
    seconds: get.seconds,
    '1/s': small.count / get.seconds,
    'client CPU s': get.cpu,
  })

  const reference = await pushManifest(contender)
  const path = `/v2/${contender.repository('image')}/manifests/${reference}`
  for (const connections of [32, 256]) {
    for (const method of ['GET', 'HEAD'] as const) {
      const { requests, seconds, p95, cpu } = await contender.load('image', {
        kind: 'rate',
        method,
        path,
        connections,
        seconds: sizes.seconds,
      })
      row(`manifest ${method}, ${connections} connections`, {
        '1/s': requests / seconds,
        'p95 ms': p95,
        'client CPU s': cpu,
        seconds,
      })
    }
  }

  spawnSync('sync')
  await contender.forgetPeak()
  const { uploads: count, uploadBytes: bytes } = sizes
  const many = await contender.load('many', { kind: 'put', count, bytes, connections: count })
  const { peak } = await contender.memory()
  row(`${count} uploads of ${bytes / MIB} MiB at once`, {
    seconds: many.seconds,
    'MB/s': (count * bytes) / 1e6 / many.seconds,
    'RSS MB': peak,
  })
  return rows
}

/** An image of one layer. @returns its tag */
async function pushManifest(contender: Contender): Promise<string> {
  const name = 'image'
  const headers = await contender.headers(name)
  const base = `${contender.origin}/v2/${contender.repository(name)}`
  const upload = async (bytes: Buffer) => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const post = await fetch(`${base}/blobs/uploads/`, { method: 'POST', headers })
    const location = new URL(post.headers.get('location')!, base)
    location.searchParams.set('digest', digest)
    const put = await fetch(location, { method: 'PUT', headers, body: bytes })
    if (put.status !== 201) throw new Error(`PUT of a blob answered ${put.status}`)
    return { digest, size: bytes.length }
  }
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${'1'.repeat(64)}`] },
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      ...(await upload(Buffer.from(JSON.stringify(config)))),
    },
    layers: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...(await upload(Buffer.from('layer'))) },
    ],
  }
  const put = await fetch(`${base}/manifests/1.0`, {
    method: 'PUT',
    headers: { ...headers, 'content-type': manifest.mediaType },
    body: JSON.stringify(manifest),
  })
  if (put.status !== 201) throw new Error(`PUT of the manifest answered ${put.status}: ${await put.text()}`)
  return '1.0'
}

const QUERIES: Record<string, string> = {
  'first page': '?limit=50',
  'page 1000': '?limit=50&page=1000',
  'by size': '?limit=50&sort=sizeBytes&order=desc',
  'by name': '?limit=50&sort=name',
  'name service-7*': '?limit=50&name=service-7*',
  'name *123*': '?limit=50&name=*123*',
  'state error': '?limit=50&state=error',
  'visibility public': '?limit=50&visibility=public',
  'label team=team-7': '?limit=50&label=team%3Dteam-7',
  'label build=77777': '?limit=50&label=build%3D77777',
}

async function lists(imgctl: Imgctl, images: number): Promise<Row[]> {
  await imgctl.stop()
  fillImages(imgctl.database, images)
  const seconds = await imgctl.start()
  const rows: Row[] = [{ case: `start to ready, ${images} images`, who: imgctl.who, values: { seconds } }]
  for (const [name, query] of Object.entries(QUERIES)) {
    const { p50, p95 } = await imgctl.list(query, LIST_REQUESTS)
    rows.push({
      case: `list of ${images}: ${name}`,
      who: imgctl.who,
      values: { 'p50 ms': p50, 'p95 ms': p95 },
    })
  }
  return rows
}
