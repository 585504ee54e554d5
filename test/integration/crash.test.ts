import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { ImagePage } from '../../src/contract/image.ts'
import { collectThroughServer } from '../../src/server/control.ts'
import { openServerData } from '../../src/server/data.ts'
import { Random, randomSeed } from '../server/random.ts'
import { until } from '../support/until.ts'
import { Traffic } from './crash-traffic.ts'
import { clientOf, type ServerChild, startServerChild } from './server-child.ts'

/** `npm run test:crash` has 200. */
const ROUNDS = Number(process.env['IMGCTL_CRASH_ROUNDS'] ?? 6)
const WORKERS = 6
/** So short that collections meet pushes at work. */
const GRACE_MS = 400
/** How many changes are acknowledged before the kill, from none to many. Counted: in a fixed time a busy machine makes none. */
const KILL_WITHIN_CHANGES = 20
/** It comes anywhere in the requests that follow. */
const KILL_WITHIN_MS = 20
const ROUND_TIMEOUT_MS = 60_000

const signal = new AbortController().signal

/** Collects again and again until the server is gone. */
async function collect(dataDir: string, onCollected: () => void): Promise<void> {
  for (;;) {
    try {
      await collectThroughServer(dataDir, signal)
    } catch {
      return
    }
    onCollected()
  }
}

/** What each tag points at is what was acknowledged, or for a request without an answer, one of the two. */
async function compare(server: ServerChild, key: string, traffic: Traffic, why: string): Promise<void> {
  const client = clientOf(server, key)
  for (const [tag, possible] of traffic.tags()) {
    const at = tag.lastIndexOf(':')
    const answer = await fetch(`${server.url}/v2/${tag.slice(0, at)}/manifests/${tag.slice(at + 1)}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    await answer.arrayBuffer()
    expect([200, 404], `${why}: ${tag}`).toContain(answer.status)
    const digest = answer.headers.get('docker-content-digest') ?? undefined
    expect([...possible], `${why}: ${tag}`).toContain(digest)
    traffic.learn(tag, digest)
    const image = await fetch(`${server.url}/api/images/${tag.slice('default/'.length)}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    expect(image.status, `${why}: the image of ${tag}`).toBe(answer.status)
    if (image.status === 200) expect(await image.json(), `${why}: ${tag}`).toMatchObject({ digest })
  }
  await client.call('GET', '/v2/', 200)
}

/** Nothing is wrong but files that the next collection removes; then nothing is wrong at all. */
async function assertWhole(dataDir: string, why: string): Promise<void> {
  const data = openServerData({ dataDir, graceMs: 0 })
  const { findings } = await data.check({ signal })
  expect(
    findings.filter(({ code }) => code !== 'FILE_ORPHANED'),
    why,
  ).toEqual([])
  // One moment for both, after the grace time of all that the killed server was at.
  await sleep(GRACE_MS)
  const now = Date.now()
  const later = openServerData({ dataDir, graceMs: GRACE_MS }, { now: () => now })
  await later.collect(signal)
  const left = await later.check({ signal })
  expect(left.findings, why).toEqual([])
}

test(`kill -9 at ${ROUNDS} random moments of pushes, deletes and collections`, {
  timeout: ROUNDS * ROUND_TIMEOUT_MS,
}, async () => {
  const seed = randomSeed()
  console.info(`crash run: seed ${seed}, ${ROUNDS} rounds`)
  const random = new Random(seed)
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-crash-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const traffic = new Traffic(random)
  let key = ''
  let collections = 0
  for (let round = 0; round < ROUNDS; round++) {
    const why = `seed ${seed}, round ${round}`
    const server = await startServerChild(dataDir, { graceMs: GRACE_MS })
    key ||= server.key
    await compare(server, key, traffic, why)
    const client = clientOf(server, key)
    const work = Array.from({ length: WORKERS }, (_, worker) => traffic.work(worker, client))
    const collecting = collect(dataDir, () => collections++)
    const enough = traffic.acknowledged + random.below(KILL_WITHIN_CHANGES)
    // Some round has to have a collection: the last one waits for it.
    await until(() => traffic.acknowledged >= enough && (round < ROUNDS - 1 || collections > 0))
    await sleep(random.below(KILL_WITHIN_MS))
    await server.kill()
    await Promise.all([...work, collecting])
    await assertWhole(dataDir, why)
  }
  const server = await startServerChild(dataDir, { graceMs: GRACE_MS })
  await compare(server, key, traffic, `seed ${seed}, at the end`)
  await expect
    .poll(() => unsettled(server, key), { timeout: 30_000, message: `seed ${seed}: images without an end` })
    .toEqual([])
  await clientOf(server, key).pushImage('default/app', 'after', 'the last one')
  await server.kill()
  await assertWhole(dataDir, `seed ${seed}, at the end`)
  const { acknowledged, unanswered, refused } = traffic
  console.info(
    `crash run: ${acknowledged} acknowledged, ${unanswered} unanswered, ${refused} refused, ${collections} collections`,
  )
  // Otherwise nothing was tested.
  expect(acknowledged).toBeGreaterThan(ROUNDS)
  expect(unanswered).toBeGreaterThan(0)
  expect(collections).toBeGreaterThan(0)
})

/** Images that are not active: every one that was pushed can be. */
async function unsettled(server: ServerChild, key: string): Promise<string[]> {
  const answer = await fetch(`${server.url}/api/images?limit=200`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const { items } = (await answer.json()) as ImagePage
  return items.filter(({ state }) => state !== 'active').map(({ name, state }) => `${name} ${state}`)
}
