import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

/** Sent byte by byte as it is: fetch would tidy the path. */
async function raw(method: string, path: string, more = ''): Promise<{ status: number; body: string }> {
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', `Authorization: Bearer ${world.key}`]
  socket.write(`${head.join('\r\n')}\r\nConnection: close\r\n${more || '\r\n'}`)
  const answer = await readText(socket)
  return { status: Number(answer.split(' ')[1]), body: answer.slice(answer.indexOf('\r\n\r\n') + 4) }
}

const files = async () => (await readdir(world.ctx.settings.dataDir, { recursive: true })).sort()
const REFUSED = [400, 401, 404, 405, 414, 431]
const HEX = 'a'.repeat(64)

describe('a path that wants to get out', () => {
  const names = [
    '..',
    '../..',
    '%2e%2e',
    '%2e%2e%2f%2e%2e%2fkeys.json',
    '..%2f..%2fkeys.json',
    '..%5c..%5ckeys.json',
    '..\\..\\keys.json',
    '....//keys.json',
    '%252e%252e%252fkeys.json',
    '%00',
    'a%00.json',
    '%c0%ae%c0%ae%2fkeys.json',
    '%ff%fe',
    '%zz',
    '%',
    '.',
    '~root',
    'a%0d%0aX-Injected:%20yes',
    '*',
    'x'.repeat(700),
    'x'.repeat(12_000),
    `sha256:${'.'.repeat(64)}`,
    `sha256:../../${HEX}`,
    `sha256:${HEX.toUpperCase()}`,
    `sha256:${HEX}%00`,
    `sha256:${HEX}/../../../keys.json`,
    `sha1:${HEX}`,
    `SHA256:${HEX}`,
    `sha256%3A..%2F${HEX}`,
    '__proto__',
    'constructor',
  ]
  const places = [
    (trick: string) => `/v2/default/app/manifests/${trick}`,
    (trick: string) => `/v2/default/app/blobs/${trick}`,
    (trick: string) => `/v2/default/app/blobs/uploads/${trick}`,
    (trick: string) => `/v2/default/app/referrers/${trick}`,
    (trick: string) => `/v2/default/${trick}/blobs/sha256:${HEX}`,
    (trick: string) => `/v2/${trick}/app/tags/list`,
    (trick: string) => `/api/images/${trick}`,
    (trick: string) => `/api/images/${trick}/events`,
    (trick: string) => `/api/docker-registry/${trick}`,
    (trick: string) => `/api/api-keys/${trick}`,
  ]

  test.each(names)('%s: refused at every place, with every method', async (trick) => {
    const before = [await files(), await world.stored()]
    for (const place of places) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
        const { status, body } = await raw(method, place(trick))
        // A referrers list of an unknown subject is empty, and no secret.
        const isEmptyList = status === 200 && /"manifests":\[\]|"items":\[\]|^\[\]$/.test(body)
        expect([
          place(trick).slice(0, 80),
          method,
          isEmptyList || REFUSED.includes(status) || status,
        ]).toEqual([place(trick).slice(0, 80), method, true])
        expect(body).not.toContain('"signing"')
        expect(body).not.toContain('ENOENT')
        expect(body).not.toContain(world.ctx.settings.dataDir)
      }
    }
    expect([await files(), await world.stored()]).toEqual(before)
  })

  test('of an upload that is there does not lead out of it', async () => {
    const location = await world.client(world.key).upload('default/app')
    for (const path of [
      `${location}/..`,
      `${location}/../../../../keys.json`,
      `${location}%00`,
      `${location}.hash`,
    ]) {
      expect(REFUSED).toContain((await raw('GET', path)).status)
    }
    expect((await raw('GET', location)).status).toBe(204)
  })

  test('in a body: names of images and registries', async () => {
    for (const name of [
      '../app:1',
      'a/../../b:1',
      'app:..',
      'app:1\0',
      'x'.repeat(300),
      'a\r\nb:1',
      'ａｐｐ:1',
    ]) {
      const body = { name, source: { kind: 'registry', reference: 'debian:12.9' } }
      expect((await world.call('POST', '/api/images', { body })).status).toBe(400)
    }
  })
})

describe('a body that wants to exhaust', () => {
  const json = { 'content-type': 'application/json' }

  test.each([
    ['lists in lists', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['objects in objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['nested labels', `{"name":"a:1","labels":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`],
    [
      'many fields',
      JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`f${n}`, n]))),
    ],
    ['a number beyond all', `{"name":"a:1","labels":{"a":1${'0'.repeat(400_000)}}}`],
    ['a prototype', '{"name":"a:1","labels":{"__proto__":{"x":"y"}}}'],
    ['a constructor', '{"name":"a:1","constructor":{"prototype":{"x":"y"}}}'],
  ])('%s: 400, and the server goes on', async (_, body) => {
    const answer = await world.call('POST', '/api/images', { body, headers: json })
    expect([answer.status, answer.as<{ code: string }>().code]).toEqual([400, 'BAD_REQUEST'])
    expect((await world.call('GET', '/api/health')).status).toBe(200)
  })

  test('more than a megabyte: 413', async () => {
    const body = JSON.stringify({ name: 'a:1', description: 'x'.repeat(1024 * 1024) })
    expect((await world.call('POST', '/api/images', { body })).status).toBe(413)
  })

  test('a manifest that is nested or too large is refused', async () => {
    const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
    for (const body of [`${'['.repeat(200_000)}${']'.repeat(200_000)}`, '{'.repeat(5 * 1024 * 1024)]) {
      const answer = await world.call('PUT', '/v2/default/app/manifests/1.0', { body, headers })
      expect([400, 413]).toContain(answer.status)
    }
  })

  test('headers beyond measure: 431; a thousand of them: refused or served, never a fault', async () => {
    expect((await raw('GET', '/api/health', `X: ${'a'.repeat(20_000)}\r\n\r\n`)).status).toBe(431)
    const many = Array.from({ length: 1_500 }, (_, n) => `X-${n}: 1`).join('\r\n')
    expect([200, 431]).toContain((await raw('GET', '/api/health', `${many}\r\n\r\n`)).status)
  })
})
