import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ServerConfig } from '../../src/contract/server.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { startServer } from '../../src/server/start.ts'

/** What a server tells a client, through a proxy on this machine, of how to reach it. */
async function toldThrough(headers: Record<string, string>, publicUrl?: string) {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-proxy-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  const settings = { port: 0, dataDir, logLevel: 'silent', ...(publicUrl ? { publicUrl } : {}) } as const
  const server = await startServer(serverSettings(settings))
  try {
    const config = await fetch(`${server.url}/api/config`, { headers })
    const { registry } = (await config.json()) as ServerConfig
    const refused = await fetch(`${server.url}/v2/`, { headers })
    return { registry, challenge: refused.headers.get('www-authenticate'), host: new URL(server.url).host }
  } finally {
    await server.close()
  }
}

const challengeOf = (origin: string) => `Bearer realm="${origin}/api/registry/token",service="imgctl"`

test.each([
  ['nothing', {}, 'http'],
  ['http', { 'x-forwarded-proto': 'http' }, 'http'],
  ['https', { 'x-forwarded-proto': 'https' }, 'https'],
  ['another scheme', { 'x-forwarded-proto': 'ftp' }, 'http'],
  ['what would end the realm', { 'x-forwarded-proto': 'https://evil.test/token",x="' }, 'http'],
])('a proxy that says %s: config and challenge agree', async (_, headers, scheme) => {
  const { registry, challenge, host } = await toldThrough(headers)
  expect(registry).toEqual({ host, secure: scheme === 'https' })
  expect(challenge).toBe(challengeOf(`${scheme}://${host}`))
})

test('a public URL is what counts, whatever a proxy says', async () => {
  const publicUrl = 'https://images.example.com'
  const { registry, challenge } = await toldThrough({ 'x-forwarded-proto': 'http' }, publicUrl)
  expect(registry).toEqual({ host: 'images.example.com', secure: true })
  expect(challenge).toBe(challengeOf(publicUrl))
})
