import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { peerCertificate } from '../server/peer-certificate.ts'
import { writeTlsFiles } from '../server/start-tls-files.ts'
import { imgctl, serve } from './program.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')
const HEALTHCHECK = join(import.meta.dirname, '../../deploy/healthcheck.mjs')

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'imgctl-operations-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

const healthcheck = (port: string) =>
  spawnSync(process.execPath, [HEALTHCHECK], { env: { ...process.env, PORT: port } }).status

test('SIGHUP makes the server read its certificate again, and nothing else', async () => {
  const files = await folder()
  const { certFile, keyFile } = await writeTlsFiles(files)
  const server = await serve(['--tls-cert', certFile, '--tls-key', keyFile])
  onTestFinished(server.stop)
  const { port } = new URL(server.url)
  const first = await peerCertificate(Number(port))
  await writeTlsFiles(files, true)
  process.kill(server.pid(), 'SIGHUP')
  await expect.poll(() => peerCertificate(Number(port))).not.toBe(first)
  expect(healthcheck(port)).toBe(0)
})

test('SIGHUP without TLS leaves the server as it is', async () => {
  const server = await serve()
  onTestFinished(server.stop)
  const { port } = new URL(server.url)
  process.kill(server.pid(), 'SIGHUP')
  expect(healthcheck(port)).toBe(0)
  process.kill(server.pid(), 'SIGHUP')
  expect(healthcheck(port)).toBe(0)
})

test('proxies that are named say who the client is; what is no address range starts nothing', async () => {
  const server = await serve(['--trusted-proxy', '10.0.0.1,10.8.0.0/24', '--trusted-proxy', '192.0.2.80'])
  onTestFinished(server.stop)
  const headers = {
    authorization: `Bearer ${server.apiKey}`,
    'content-type': 'application/json',
    'x-forwarded-for': '198.51.100.7, 192.0.2.80, 10.8.0.3, 10.0.0.1',
  }
  const body = JSON.stringify({ name: 'ci', permissions: ['read:images'] })
  expect((await fetch(`${server.url}/api/api-keys`, { method: 'POST', headers, body })).status).toBe(201)
  const listed = await imgctl(['audit', 'list', '--format', 'json'], { env: server.env })
  expect(JSON.parse(listed.stdout)).toMatchObject([{ target: 'ci', address: '198.51.100.7' }])

  const data = join(await folder(), 'data')
  const refused = await imgctl(['serve', '--data', data, '--trusted-proxy', 'nginx'])
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('--trusted-proxy takes addresses and ranges of them, not "nginx"')
  expect(existsSync(data)).toBe(false)
})

test('the health check fails where no server is', () => {
  expect(healthcheck('9')).toBe(1)
})

test('SIGHUP ends any other command, as it ends every program', async () => {
  const waiting = waitForStdin()
  await waiting.started
  waiting.child.kill('SIGHUP')
  await waiting.ended
  expect(waiting.child.signalCode).toBe('SIGHUP')
})

/** A command that waits for its stdin, which never ends. */
function waitForStdin() {
  const env = { ...process.env, IMGCTL_API_KEY: `img_${'A'.repeat(43)}`, IMGCTL_SERVER: 'http://127.0.0.1:9' }
  const args = [PROGRAM, 'api', 'POST', '/images', '--data', '@-', '--debug']
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'ignore', 'ignore'] })
  return { child, started: once(child, 'spawn'), ended: once(child, 'exit') }
}
