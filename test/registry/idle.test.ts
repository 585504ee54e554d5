import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { sha256, times } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { blob, bytes, isPatch, MIB, streamOf } from './upload-setup.ts'

const SOON = { idleMs: 200, slowestBytesPerSecond: 1024 ** 3 }

test('a registry that takes no more bytes is taken for dead, and the upload goes on from there', async () => {
  const registry = await faultyRegistry()
  const { client, retried } = openClient({ timeouts: SOON })
  registry.fault = times(1, (request) => (isPatch(request) ? { silent: true } : undefined))
  await client.open(registry.location).writeBlob(blob, (offset) => streamOf(bytes.subarray(offset)))
  expect(retried.map(({ message }) => message)).toEqual([
    expect.stringContaining('no byte went through any more'),
  ])
  expect(registry.blobs.has(blob.digest)).toBe(true)
})

test('a source that is slow, and a rate, are no silence of the registry', async () => {
  const registry = await faultyRegistry()
  const { client, retried } = openClient({ timeouts: SOON, tuning: { bytesPerSecond: 2 * MIB } })
  const slow = Readable.from(
    (async function* () {
      for (const part of [0, 1]) {
        await new Promise((resolve) => setTimeout(resolve, 450))
        yield bytes.subarray(part * MIB, (part + 1) * MIB)
      }
    })(),
    { objectMode: false },
  )
  const made = { digest: sha256(bytes.subarray(0, 2 * MIB)), size: 2 * MIB }
  await client.open(registry.location).writeStream(slow, () => made)
  expect([retried, registry.blobs.has(made.digest)]).toEqual([[], true])
})

test('a registry that commits slowly is waited for, up to its own limit', async () => {
  const registry = await faultyRegistry()
  const { client, retried } = openClient({ timeouts: { ...SOON, commitMs: 3_000 }, retry: { attempts: 1 } })
  registry.fault = ({ method }) => (method === 'PUT' ? { delayMs: 5 * SOON.idleMs } : undefined)
  const small = Buffer.from('small')
  const write = (of: typeof client) =>
    of.open(registry.location).writeBlob({ digest: sha256(small), size: 5 }, () => Readable.from([small]))
  await write(client)
  expect([retried, registry.count('PUT'), registry.blobs.has(sha256(small))]).toEqual([[], 1, true])
  const hasty = openClient({ timeouts: { ...SOON, commitMs: SOON.idleMs }, retry: { attempts: 1 } })
  expect(await rejection(write(hasty.client))).toMatchObject({
    message: expect.stringContaining('no answer in time'),
  })
})
