import { expect, test } from 'vitest'
import { apiKey, basic, Client, serve, testContext } from '../registry-context.ts'

const MINUTE_MS = 60_000

async function setup() {
  const ctx = await testContext()
  const client = new Client(await serve(ctx), basic(await apiKey(ctx, 'acme')))
  const lastUsed = async (name: string) => {
    const row = ctx.db.selectFrom('images').select('lastUsedAt').where('name', '=', name)
    return (await row.executeTakeFirstOrThrow()).lastUsedAt
  }
  /** Written after the answer, so it may come a moment later. */
  const until = (name: string, isRight: (at: number | null) => boolean) =>
    expect.poll(async () => isRight(await lastUsed(name))).toBe(true)
  return { ctx, client, lastUsed, until }
}

test('a pull by tag is a use of that image, noted once a minute', async () => {
  const { ctx, client, lastUsed, until } = await setup()
  const { manifest } = await client.pushImage('acme/app', '1.0')
  await client.pushManifest('acme/app', '2.0', manifest)
  const pull = (tag: string) => client.call('GET', `/v2/acme/app/manifests/${tag}`, 200)
  expect(await lastUsed('app:1.0')).toBeNull()
  await pull('1.0')
  await until('app:1.0', (at) => at !== null)
  const first = await lastUsed('app:1.0')
  ctx.advance(MINUTE_MS - 10_000)
  await pull('1.0')
  // The other image's time comes after what the pull before it has done.
  await pull('2.0')
  await until('app:2.0', (at) => at !== null)
  expect(await lastUsed('app:1.0')).toBe(first)
  ctx.advance(20_000)
  await pull('1.0')
  await until('app:1.0', (at) => at! >= first! + MINUTE_MS)
})

test('a pull by digest is a use of every image that has it, and of no other', async () => {
  const { client, lastUsed, until } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0')
  await client.pushManifest('acme/app', '2.0', manifest)
  await client.pushImage('acme/app', '3.0', 'another layer')
  await client.pushImage('acme/zoo', '1.0')
  await client.call('GET', `/v2/acme/app/manifests/${digest}`, 200)
  await until('app:1.0', (at) => at !== null)
  expect(await lastUsed('app:2.0')).toBe(await lastUsed('app:1.0'))
  expect([await lastUsed('app:3.0'), await lastUsed('zoo:1.0')]).toEqual([null, null])
})

test('neither a HEAD nor a pull that is not answered is a use', async () => {
  const { client, lastUsed, until } = await setup()
  await client.pushImage('acme/app', '1.0')
  await client.pushImage('acme/app', '2.0', 'another layer')
  await client.call('HEAD', '/v2/acme/app/manifests/1.0', 200)
  await client.call('GET', '/v2/acme/app/manifests/1.1', 404)
  await client.call('GET', '/v2/acme/app/manifests/2.0', 200)
  await until('app:2.0', (at) => at !== null)
  expect(await lastUsed('app:1.0')).toBeNull()
})
