import { beforeEach, expect, test, vi } from 'vitest'

/** What the server asks of the operating system, in its order: `sync blobs/sha256/ab`, `rename <digest>`, `answer`. */
const { calls, nameOf } = vi.hoisted(() => {
  const calls: string[] = []
  const nameOf = (path: unknown) =>
    String(path)
      .replace(/^.*\/(blobs|uploads)\b/, '$1')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, 'ID')
      .replace(/[0-9a-f]{64,}/, 'HEX')
      .replace(/\/[0-9a-f]{2}(?=\/|$)/, '/ab')
  return { calls, nameOf }
})

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  const open: typeof real.open = async (path, ...rest) => {
    const handle = await real.open(path, ...rest)
    const sync = handle.sync.bind(handle)
    handle.sync = async () => {
      await sync()
      calls.push(`sync ${nameOf(path)}`)
    }
    const datasync = handle.datasync.bind(handle)
    handle.datasync = async () => {
      await datasync()
      calls.push('datasync')
    }
    return handle
  }
  const rename: typeof real.rename = async (from, to) => {
    calls.push(`rename ${nameOf(from)} ${nameOf(to)}`)
    await real.rename(from, to)
  }
  return { ...real, open, rename }
})

const { sql } = await import('kysely')
const { apiKey, basic, Client, serve, sha256, sha512, testContext } = await import('../registry-context.ts')

async function setup() {
  const ctx = await testContext()
  const client = new Client(await serve(ctx), basic(await apiKey(ctx, 'acme')))
  return { ctx, client }
}

beforeEach(() => {
  calls.length = 0
})

const STORED = [
  'datasync',
  'sync uploads/ID',
  'rename uploads/ID blobs/sha256/ab/HEX',
  'sync blobs/sha256/ab',
]

test('a blob is acknowledged when its bytes, its name and its folder are on disk, in this order', async () => {
  const { client } = await setup()
  // Another blob of the same folder: then nothing is made on the way.
  await client.pushBlob('acme/app', 'text')
  calls.length = 0
  await client.pushBlob('acme/app', 'text')
  calls.push('answer')
  expect(calls).toEqual([...STORED, 'answer'])
})

test('the folders of the first blob are on disk before it gets its name', async () => {
  const { client } = await setup()
  calls.length = 0
  await client.call('POST', `/v2/acme/app/blobs/uploads/?digest=${sha512('text')}`, 201, { body: 'text' })
  const [named] = calls.flatMap((call, i) => (call.startsWith('rename') ? [i] : []))
  expect(calls.slice(0, named)).toContain('sync blobs/sha512')
  expect(calls.slice(named! + 1)).toContain('sync blobs/sha512/ab')
})

test('the bytes of an upload are on disk when a chunk is acknowledged', async () => {
  const { client } = await setup()
  const location = await client.upload('acme/app')
  calls.length = 0
  await client.call('PATCH', location, 202, { body: 'half' })
  expect(calls).toEqual(['datasync'])
  calls.length = 0
  await client.call('PUT', `${location}?digest=${sha256('half')}`, 201)
  // The folder of its name may be new.
  expect(calls.filter((call) => call !== 'sync blobs/sha256')).toEqual(STORED.slice(1))
})

test('a commit of the database returns when it is on disk', async () => {
  const { ctx } = await setup()
  const pragma = async (name: string) =>
    Object.values((await sql<Record<string, unknown>>`PRAGMA ${sql.raw(name)}`.execute(ctx.db)).rows[0]!)[0]
  // 2 is FULL: https://www.sqlite.org/pragma.html#pragma_synchronous
  expect([await pragma('journal_mode'), await pragma('synchronous'), await pragma('foreign_keys')]).toEqual([
    'wal',
    2,
    1,
  ])
})
