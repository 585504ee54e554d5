import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StatementSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { cleanUp } from '../../../src/server/content/janitor.ts'
import { countFetch } from '../../../src/server/store/totals.ts'
import { openWorld, type World } from '../isolation/world.ts'

const DOCUMENT = join(import.meta.dirname, '../../../docs/server.md')
let world: World
let clock = 0
beforeAll(async () => {
  world = await openWorld()
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + clock)
})
afterAll(async () => {
  vi.restoreAllMocks()
  await world.close()
})

/** Of this moment: what was asked for up to a second ago is not asked for again. */
async function metrics(): Promise<string> {
  clock += 1_001
  return (await world.call('GET', '/metrics', { key: null })).text
}

async function value(sample: string): Promise<number> {
  const line = (await metrics()).split('\n').find((text) => text.startsWith(`${sample} `))
  return line === undefined ? Number.NaN : Number(line.slice(sample.length + 1))
}

test('docs/server.md lists every metric, with its type, and no other', async () => {
  const types = [...(await metrics()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  )
  const text = await readFile(DOCUMENT, 'utf8')
  const listed = [...text.matchAll(/^\| `((?:imgctl|process|nodejs)_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  )
  expect(listed.sort()).toEqual(types.sort())
  expect(new Set(types).size).toBe(types.length)
})

describe('requests', () => {
  test('are counted by route, never by path, with a histogram that adds up', async () => {
    const { name, digest, layer } = await world.pushImage()
    for (let each = 0; each < 3; each++) await world.call('GET', `/api/images/${name}`)
    await world.client(world.key).call('GET', `/v2/default/app/manifests/${digest}`, 200)
    await world.client(world.key).call('GET', `/v2/default/app/blobs/${layer}`, 200)
    await world.call('GET', `/nowhere/${digest}`)
    // A client has the last byte before the server has counted the answer.
    await expect.poll(metrics).toContain('route="/v2/*/blobs"')
    const text = await metrics()
    for (const outside of [name, digest, layer, 'nowhere', 'default/app']) expect(text).not.toContain(outside)
    const labels = 'method="GET",route="/api/images/:idOrName"'
    expect(await value(`imgctl_http_requests_total{${labels},status="200"}`)).toBe(3)
    expect(await value(`imgctl_http_request_duration_seconds_count{${labels}}`)).toBe(3)
    expect(await value(`imgctl_http_request_duration_seconds_bucket{${labels},le="+Inf"}`)).toBe(3)
    const buckets = [
      ...text.matchAll(/_bucket\{method="GET",route="\/api\/images\/:idOrName",le="[^"]+"\} (\d+)/g),
    ]
    const counts = buckets.map(([, count]) => Number(count))
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    for (const route of ['/v2/*/manifests', '/v2/*/blobs', '/v2/*/blobs/uploads', 'none']) {
      expect(text).toContain(`route="${route}"`)
    }
  })

  test('are counted with their bytes, and while they last', async () => {
    const before = await value('imgctl_http_received_bytes_total')
    const sent = await value('imgctl_http_sent_bytes_total')
    const bytes = 'x'.repeat(100_000)
    const digest = await world.client(world.key).pushBlob('default/app', bytes)
    await (await world.client(world.key).call('GET', `/v2/default/app/blobs/${digest}`, 200)).text()
    expect((await value('imgctl_http_received_bytes_total')) - before).toBeGreaterThan(100_000)
    expect((await value('imgctl_http_sent_bytes_total')) - sent).toBeGreaterThan(100_000)
    expect(await value('imgctl_http_requests_in_flight')).toBe(1)
  })
})

test('who asks at the same time as others makes no work for the database', async () => {
  await metrics()
  const statements = vi.spyOn(StatementSync.prototype, 'all')
  const scrapes = Array.from({ length: 20 }, () => world.call('GET', '/metrics', { key: null }))
  for (const scrape of scrapes) expect((await scrape).text).toContain('imgctl_images{state="active"}')
  expect(statements).not.toHaveBeenCalled()
  await metrics()
  expect(statements).toHaveBeenCalled()
})

test('what is stored, what waits and what was done', async () => {
  const { name } = await world.pushImage()
  const { db } = world.ctx
  await db.updateTable('images').set({ state: 'active' }).execute()
  expect(await value('imgctl_queue_images')).toBe(0)
  expect(await value('imgctl_queue_oldest_seconds')).toBe(0)
  await db
    .updateTable('images')
    .set({ state: 'pending', leaseUntil: null })
    .where('name', '=', name)
    .execute()
  world.advance(90_000)
  expect(await value('imgctl_queue_images')).toBe(1)
  expect(await value('imgctl_queue_oldest_seconds')).toBeGreaterThanOrEqual(90)
  expect(await value('imgctl_images{state="pending"}')).toBe(1)

  await world.client(world.key).upload('default/app')
  expect(await value('imgctl_uploads_open')).toBe(1)
  const before = await value('imgctl_collected_bytes_total')
  await world.client(world.key).pushBlob('default/app', 'nobody needs this')
  world.advance(3 * 24 * 60 * 60 * 1000)
  await cleanUp(world.ctx, { orphansToo: false })
  expect((await value('imgctl_collected_bytes_total')) - before).toBeGreaterThanOrEqual(17)
  countFetch(world.ctx, 'fetched')
  expect(await value('imgctl_upstream_fetches_total{outcome="fetched"}')).toBe(1)
  expect(await value('imgctl_disk_free_bytes')).toBeGreaterThan(0)
  expect(await value('process_resident_memory_bytes')).toBeGreaterThan(1_000_000)
})
