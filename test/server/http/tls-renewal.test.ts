import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { watchTls } from '../../../src/server/http/tls-renewal.ts'
import { serverSettings } from '../../../src/server/settings.ts'
import { startServer } from '../../../src/server/start.ts'
import { peerCertificate } from '../peer-certificate.ts'
import { writeTlsFiles } from '../start-tls-files.ts'

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-tls-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

test('a server takes a renewed certificate; files that are none leave it the old one', async () => {
  const folder = await temporaryFolder()
  const tls = await writeTlsFiles(folder)
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const server = await startServer(serverSettings({ dataDir: join(folder, 'data'), port: 0, tls }), { log })
  try {
    const first = await peerCertificate(server.port)
    await writeTlsFiles(folder, true)
    await server.reload()
    const second = await peerCertificate(server.port)
    expect(second).not.toBe(first)
    await writeFile(tls.keyFile, 'no key')
    await server.reload()
    expect(await peerCertificate(server.port)).toBe(second)
    expect(lines.join('')).toContain('the old one stays')
    expect(lines.join('')).not.toContain('no key')
  } finally {
    await server.close()
  }
})

test('a server without TLS has nothing to read again', async () => {
  const dataDir = await temporaryFolder()
  const log = pino({ level: 'silent' })
  const server = await startServer(serverSettings({ dataDir, port: 0 }), { log })
  await expect(server.reload()).resolves.toBeUndefined()
  await server.close()
})

test('files that change are read once for each change', async () => {
  const folder = await temporaryFolder()
  const files = await writeTlsFiles(folder)
  let contexts = 0
  const server = { setSecureContext: () => void contexts++ }
  const renewal = watchTls(server, files, pino({ level: 'silent' }), 10)
  onTestFinished(() => renewal.stop())
  const looks = () => new Promise((resolve) => setTimeout(resolve, 100))
  await looks()
  expect(contexts).toBe(0)
  await writeTlsFiles(folder, true)
  await expect.poll(() => contexts).toBeGreaterThan(0)
  // Key and certificate are two writes: the first of them may be seen alone.
  await looks()
  const seen = contexts
  await looks()
  expect(contexts).toBe(seen)
  await rm(files.certFile)
  await looks()
  expect(contexts).toBe(seen)
})
