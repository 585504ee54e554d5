import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { basic, Client, sha256 } from '../server/registry-context.ts'

const SERVER = new URL('../../src/server/', import.meta.url)
const ROUNDS = 5
const PUSHES_PER_ROUND = 20
/** Long enough that some pushes of a round are acknowledged, short enough that others are not. */
const KILL_AFTER_MS = [60, 120, 200, 300, 450]

interface Child {
  readonly process: ChildProcess
  readonly url: string
  readonly port: number
  readonly key: string
  kill(): Promise<void>
}

async function startChild(dataDir: string): Promise<Child> {
  const script = `
    const { startServer } = await import('${SERVER}start.ts')
    const { serverSettings } = await import('${SERVER}settings.ts')
    const chosen = { port: 0, dataDir: ${JSON.stringify(dataDir)}, logLevel: 'silent' }
    const { url, port, bootstrapKey } = await startServer(serverSettings(chosen))
    console.log(JSON.stringify({ url, port, key: bootstrapKey ?? '' }))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  onTestFinished(kill)
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  return { process: child, kill, ...(JSON.parse(line) as { url: string; port: number; key: string }) }
}

function clientOf({ url, port }: Child, key: string): Client {
  return new Client({ url, port, close: async () => {} }, basic(key))
}

test('kill -9 during a hundred pushes: what was acknowledged is there, and nothing corrupt is served', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-crash-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const acknowledged = new Map<string, { digest: string; layer: string }>()
  let key = ''
  let unanswered = 0
  for (let round = 0; round < ROUNDS; round++) {
    const child = await startChild(dataDir)
    key ||= child.key
    const client = clientOf(child, key)
    const pushes = Array.from({ length: PUSHES_PER_ROUND }, async (_, i) => {
      const tag = `${round}-${i}`
      // Layers of one round differ, those of two rounds are partly the same.
      const text = `${i} ${round % 2} `.repeat(20_000)
      try {
        const { digest, layer } = await client.pushImage('default/app', tag, text)
        acknowledged.set(tag, { digest, layer })
      } catch {
        unanswered++
      }
    })
    await sleep(KILL_AFTER_MS[round]!)
    await child.kill()
    await Promise.all(pushes)
  }
  expect(acknowledged.size + unanswered).toBe(ROUNDS * PUSHES_PER_ROUND)

  const child = await startChild(dataDir)
  const client = clientOf(child, key)
  // Not only what was acknowledged: whatever has a tag is whole.
  const listed = await client.call('GET', '/v2/default/app/tags/list', 200)
  const { tags } = (await listed.json()) as { tags: string[] }
  expect(tags).toEqual(expect.arrayContaining([...acknowledged.keys()]))
  for (const tag of tags) {
    const response = await client.call('GET', `/v2/default/app/manifests/${tag}`, 200)
    const body = await response.text()
    expect(sha256(body)).toBe(response.headers.get('docker-content-digest'))
    const manifest = JSON.parse(body) as { config: { digest: string }; layers: { digest: string }[] }
    for (const { digest } of [manifest.config, ...manifest.layers]) {
      const blob = await client.call('GET', `/v2/default/app/blobs/${digest}`, 200)
      expect(sha256(await blob.text())).toBe(digest)
    }
    const known = acknowledged.get(tag)
    if (known) expect(response.headers.get('docker-content-digest')).toBe(known.digest)
  }
  // And it goes on.
  await client.pushImage('default/app', 'after', 'the last one')
})
