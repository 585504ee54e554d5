import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterAll, expect, test } from 'vitest'
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Repository, RepositoryLocation } from '../../src/ports/registry.ts'
import { createRegistryClient } from '../../src/registry/client.ts'
import { sha256 } from '../registry/faulty-registry.ts'
import { rejection } from '../registry/open-client.ts'
import { describeWith, service } from '../services/use.ts'
import type { FaultFor } from '../support/fault.ts'
import { type FaultProxy, faultProxy } from '../support/fault-proxy.ts'
import { cutsConnections } from '../support/faults.ts'

const MIB = 1024 * 1024
/** Heads of requests and what the kernel took before it heard of the cut. */
const OVERHEAD = MIB

const client = createRegistryClient({ retry: { baseMs: 10, maxMs: 50 } })
const closing: { close(): Promise<void> }[] = [client]

afterAll(async () => {
  for (const each of closing.reverse()) await each.close()
})

const describeBlob = (bytes: Buffer) => ({ digest: sha256(bytes), size: bytes.byteLength })
const openAt = (bytes: Buffer) => (offset: number) =>
  Readable.from(pieces(bytes.subarray(offset)), { objectMode: false })

function* pieces(all: Buffer): Generator<Buffer> {
  for (let at = 0; at < all.byteLength; at += 65_536) yield all.subarray(at, at + 65_536)
}

async function readBack(repository: Repository, bytes: Buffer): Promise<boolean> {
  const stream = await repository.readBlob(describeBlob(bytes))
  return Buffer.concat(await stream.toArray()).equals(bytes)
}

async function proxied(host: string, faultFor: FaultFor): Promise<FaultProxy> {
  const proxy = await faultProxy(`http://${host}`, faultFor)
  closing.push(proxy)
  return proxy
}

describeWith(['registry'], 'CNCF distribution', () => {
  const repository = (name: string, host = service('registry').host): Repository =>
    client.open({ host, secure: false, repository: `registry-client/${name}` })

  test.each([
    ['nothing', 0],
    ['one byte', 1],
    ['20 MiB', 20 * MIB],
  ])('takes a blob of %s, known and streamed', async (_, size) => {
    const [known, streamed] = [randomBytes(size), randomBytes(size)]
    const target = repository(`sizes-${size}`)
    const progress: number[] = []
    const onBytes = (count: number) => progress.push(count)
    await target.writeBlob(describeBlob(known), openAt(known), { onBytes })
    await target.writeStream(openAt(streamed)(0), () => describeBlob(streamed), { onBytes })
    expect(progress.reduce((sum, count) => sum + count, 0)).toBe(2 * size)
    expect(await target.blobSize(sha256(known))).toBe(size)
    expect(await readBack(target, known)).toBe(true)
    expect(await readBack(target, streamed)).toBe(true)
  })

  test('refuses bytes of another digest, and the repository stays without them', async () => {
    const target = repository('wrong')
    const wrong = { digest: sha256(Buffer.from('right')), size: 5 }
    const error = await rejection(target.writeBlob(wrong, openAt(Buffer.from('wrong'))))
    expect(error).toMatchObject({ code: 'DIGEST_MISMATCH', status: 400 })
    expect(await target.blobSize(wrong.digest)).toBeUndefined()
  })

  test('links a blob of another repository', async () => {
    const bytes = randomBytes(1000)
    await repository('base').writeBlob(describeBlob(bytes), openAt(bytes))
    const target = repository('mounting')
    expect(await target.blobSize(sha256(bytes))).toBeUndefined()
    expect(await target.mountBlob(sha256(bytes), 'registry-client/base')).toBe(true)
    expect(await target.blobSize(sha256(bytes))).toBe(1000)
    expect(await target.mountBlob(sha256(Buffer.from('absent')), 'registry-client/base')).toBe(false)
  })

  test('keeps a manifest by tag and digest, and deletes it', async () => {
    const target = repository('manifests')
    const manifest = await writeImage(target)
    const digest = await target.writeManifest('1.0', OCI_MANIFEST, manifest)
    expect(digest).toBe(sha256(manifest))
    expect(await target.manifestDigest('1.0')).toBe(digest)
    const read = await target.readManifest(digest)
    expect(read).toMatchObject({ digest, mediaType: OCI_MANIFEST })
    expect(Buffer.from(read.bytes)).toEqual(manifest)
    // Distribution 2 deletes by digest only.
    expect(await rejection(target.deleteManifest('1.0'))).toMatchObject({ code: 'UNSUPPORTED' })
    expect(await target.manifestDigest('1.0')).toBe(digest)
    await target.deleteManifest(digest)
    await target.deleteManifest(digest)
    expect(await target.manifestDigest('1.0')).toBeUndefined()
    expect(await rejection(target.readManifest('1.0'))).toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })

  test('refuses a manifest whose blobs it does not have', async () => {
    const target = repository('missing')
    const writing = target.writeManifest('1.0', OCI_MANIFEST, imageManifest(randomBytes(10), randomBytes(10)))
    expect(await rejection(writing)).toMatchObject({ code: 'BLOB_MISSING' })
    expect(await target.manifestDigest('1.0')).toBeUndefined()
  })

  test('a line that is cut once: it gives the session up, and the blob is begun anew', async () => {
    const bytes = randomBytes(40 * MIB)
    const proxy: FaultProxy = await proxied(service('registry').host, () =>
      proxy.cuts() === 0 ? { cutConnectionAfter: 24 * MIB } : undefined,
    )
    const target = repository('cut-once', proxy.host)
    let progress = 0
    await target.writeBlob(describeBlob(bytes), openAt(bytes), {
      onBytes: (count) => {
        progress += count
      },
    })
    expect(proxy.cuts()).toBe(1)
    expect(proxy.sent()).toBeLessThanOrEqual(bytes.byteLength + 24 * MIB + OVERHEAD)
    expect(progress).toBe(bytes.byteLength)
    expect(await readBack(target, bytes)).toBe(true)
  })

  test('a line that cuts every connection after 24 MiB: a blob of 64 MiB gets through', async () => {
    const bytes = randomBytes(64 * MIB)
    const proxy = await proxied(service('registry').host, cutsConnections(24 * MIB))
    const target = repository('cut-always', proxy.host)
    await target.writeBlob(describeBlob(bytes), openAt(bytes))
    expect(proxy.cuts()).toBe(1)
    expect(proxy.sent()).toBeLessThanOrEqual(bytes.byteLength + 24 * MIB + OVERHEAD)
    expect(await readBack(repository('cut-always'), bytes)).toBe(true)
  })

  test('an abort in the middle of a blob ends it with its reason, and there is no blob', async () => {
    const stop = new AbortController()
    const target = repository('aborted')
    const bytes = randomBytes(20 * MIB)
    let sent = 0
    const onBytes = (count: number) => {
      sent += count
      if (sent > 8 * MIB) stop.abort(new Error('enough'))
    }
    const options = { signal: stop.signal, onBytes }
    const writing = target.writeBlob(describeBlob(bytes), openAt(bytes), options)
    expect(await rejection(writing)).toMatchObject({ message: 'enough' })
    expect(sent).toBeLessThan(bytes.byteLength)
    expect(await target.blobSize(sha256(bytes))).toBeUndefined()
  })
})

describeWith(['privateRegistry'], 'CNCF distribution with basic authentication', () => {
  const location = (password?: string): RepositoryLocation => {
    const { host, username } = service('privateRegistry')
    const credentials = password === undefined ? {} : { credentials: { username, password } }
    return { host, secure: false, repository: 'registry-client/private', ...credentials }
  }

  test('lets its user write and read', async () => {
    const target = client.open(location(service('privateRegistry').password))
    const bytes = randomBytes(3 * MIB)
    await target.writeStream(openAt(bytes)(0), () => describeBlob(bytes))
    expect(await readBack(target, bytes)).toBe(true)
    await target.writeManifest('1.0', OCI_MANIFEST, await writeImage(target))
  })

  test.each([undefined, 'wrong'])('lets nobody in with the password %s', async (password) => {
    const target = client.open(location(password))
    const bytes = Buffer.from('x')
    for (const attempt of [
      () => target.blobSize(sha256(bytes)),
      () => target.readManifest('1.0'),
      () => target.writeBlob(describeBlob(bytes), openAt(bytes)),
    ]) {
      expect(await rejection(attempt())).toMatchObject({ code: 'AUTH_REQUIRED', status: 401 })
    }
  })
})

async function writeImage(target: Repository): Promise<Buffer> {
  const [config, layer] = [Buffer.from(`{"n":"${randomBytes(8).toString('hex')}"}`), randomBytes(2000)]
  for (const bytes of [config, layer]) await target.writeBlob(describeBlob(bytes), openAt(bytes))
  return imageManifest(config, layer)
}

function imageManifest(config: Buffer, layer: Buffer): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...describeBlob(config) },
    layers: [{ mediaType: OCI_LAYER, ...describeBlob(layer) }],
  }
  return Buffer.from(JSON.stringify(manifest))
}
