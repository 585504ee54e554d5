import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Image, ImageEvent } from '../../src/contract/image.ts'
import { WORKING_STATES } from '../../src/server/images/states.ts'
import { clientOf, type ServerChild, startScript, startServerChild } from './server-child.ts'

const SERVER = new URL('../../src/server/', import.meta.url)

/** A process that works on images until one is in `state`, says so, and stays there with the lease. */
function workUntil(dataDir: string, state: string) {
  return startScript(`
    const { Closing } = await import('${SERVER}closing.ts')
    const { createLog } = await import('${SERVER}log.ts')
    const { openContext } = await import('${SERVER}open-context.ts')
    const { startReconciler } = await import('${SERVER}images/reconciler.ts')
    const { serverSettings } = await import('${SERVER}settings.ts')
    const settings = serverSettings({ dataDir: ${JSON.stringify(dataDir)}, logLevel: 'silent' })
    const parts = { now: Date.now, log: createLog('silent'), wakeReconciler: () => {} }
    const ctx = await openContext(settings, parts, new Closing())
    const next = {
      pending: ({ sourceJson }) => (sourceJson.includes('registry') ? 'pulling_image' : 'pending_validation'),
      pending_validation: () => 'validating',
    }
    const steps = Object.fromEntries(${JSON.stringify(WORKING_STATES)}.map((state) => [
      state,
      async (image) => {
        if (state !== ${JSON.stringify(state)}) return { to: next[state](image) }
        console.log(image.state)
        return new Promise(() => {})
      },
    ]))
    startReconciler(ctx, steps)
    setInterval(() => {}, 60_000)`)
}

async function api<T>(server: ServerChild, key: string, path: string, init: RequestInit = {}): Promise<T> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const answer = await fetch(`${server.url}/api${path}`, { ...init, headers })
  expect(answer.status).toBe(200)
  return (await answer.json()) as T
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-states-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/**
 * An image in `state`, whose worker was killed there. A pushed image is never fetched: for that state the source is a
 * registry at an address that no server may fetch from.
 */
async function killedIn(state: string, dataDir: string) {
  const first = await startServerChild(dataDir)
  const { key } = first
  const name = 'app:1.0'
  await clientOf(first, key).pushImage('default/app', '1.0')
  const { id } = await api<Image>(first, key, `/images/${name}`)
  await first.kill()
  // As it was when the push was acknowledged.
  const { openDatabase } = await import('../../src/server/store/database.ts')
  const db = await openDatabase(join(dataDir, 'imgctl.db'))
  const source = { kind: 'registry', reference: '127.0.0.1:1/app:1.0' }
  await db
    .updateTable('images')
    .set({
      state: 'pending',
      stateSince: Date.now(),
      leaseOwner: null,
      leaseUntil: null,
      ...(state === 'pulling_image' ? { sourceJson: JSON.stringify(source) } : {}),
    })
    .execute()
  await db.destroy()
  const worker = await workUntil(dataDir, state)
  expect(worker.line).toBe(state)
  await worker.kill()
  return { id, key }
}

test.each(WORKING_STATES)('kill -9 in %s: the next start takes the image to its end', async (state) => {
  const dataDir = await makeFolder()
  const { id, key } = await killedIn(state, dataDir)
  const next = await startServerChild(dataDir)
  const image = () => api<Image>(next, key, `/images/${id}`)
  await expect
    .poll(async () => (await image()).state, { timeout: 20_000 })
    .toBe(state === 'pulling_image' ? 'error' : 'active')
  const { reason } = await image()
  expect(reason?.code).toBe(state === 'pulling_image' ? 'SOURCE_FORBIDDEN' : undefined)
  // The killed process wrote what it had reached, and the next one what came then.
  const events = await api<ImageEvent[]>(next, key, `/images/${id}/events`)
  const states = events.map((event) => event.state)
  if (state !== 'pending') expect(states).toContain(state)
  expect(states.at(-1)).toBe((await image()).state)
})
