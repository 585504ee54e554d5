import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ApiKey } from '../../src/contract/identity.ts'
import { isCode } from '../../src/errors/error.ts'
import { createLog } from '../../src/server/log.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'

const SERVER_SOURCE = new URL('../../src/server/', import.meta.url)

let dataDir: string
let child: ChildProcess | undefined

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'imgctl-lock-'))
})
afterEach(async () => {
  await kill()
  await rm(dataDir, { recursive: true })
})

/** A server in a process of its own; answers its URL and first key. */
async function startProcess(): Promise<{ url: string; bootstrapKey: string }> {
  const script = `
    const { startServer } = await import('${SERVER_SOURCE}start.ts')
    const { serverSettings } = await import('${SERVER_SOURCE}settings.ts')
    const chosen = { port: 0, dataDir: ${JSON.stringify(dataDir)}, logLevel: 'silent' }
    const { url, bootstrapKey } = await startServer(serverSettings(chosen))
    console.log(JSON.stringify({ url, bootstrapKey }))`
  child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  return JSON.parse(line) as { url: string; bootstrapKey: string }
}

async function kill(): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

function startHere(): Promise<RunningServer> {
  return startServer(serverSettings({ port: 0, dataDir }), { log: createLog('silent') })
}

it('refuses the folder of a server in another process, and names it', async () => {
  const { url } = await startProcess()
  await expect(startHere()).rejects.toSatisfy(
    (error) => isCode(error, 'CONFLICT') && error.message.includes(`process ${child?.pid}`),
  )
  expect((await fetch(`${url}/api/health/ready`)).status).toBe(200)
})

it('takes over at once after kill -9, with everything that was acknowledged', async () => {
  const { url, bootstrapKey } = await startProcess()
  const authorization = `Bearer ${bootstrapKey}`
  const made = await fetch(`${url}/api/api-keys`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'ci', permissions: ['read:images'] }),
  })
  const { value } = (await made.json()) as ApiKey
  await kill()
  const server = await startHere()
  try {
    const asked = await fetch(`${server.url}/api/users/me`, { headers: { authorization: `Bearer ${value}` } })
    expect([asked.status, server.bootstrapKey]).toEqual([200, undefined])
  } finally {
    await server.close()
  }
})
