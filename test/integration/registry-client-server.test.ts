import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PushAccess } from '../../src/contract/identity.ts'
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Repository } from '../../src/ports/registry.ts'
import { CHUNK_BYTES } from '../../src/registry/blob-upload.ts'
import { createRegistryClient } from '../../src/registry/client.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { sha256 } from '../registry/faulty-registry.ts'
import { faultProxy } from '../support/fault-proxy.ts'
import { cutsConnections } from '../support/faults.ts'

const MIB = 1024 * 1024

let dataDir: string
let server: RunningServer
const client = createRegistryClient({ retry: { baseMs: 10, maxMs: 50 } })

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'imgctl-registry-client-'))
  server = await startServer(serverSettings({ dataDir, port: 0, logLevel: 'silent' }))
})

afterAll(async () => {
  await client.close()
  await server.close()
  await rm(dataDir, { recursive: true, force: true })
})

/** A repository of the server's first organization, with credentials as `imgctl image push` gets them. */
async function openRepository(name: string, host = new URL(server.url).host): Promise<Repository> {
  const url = `${server.url}/api/docker-registry/registry-push-access?repository=${name}`
  const answer = await fetch(url, { headers: { authorization: `Bearer ${server.bootstrapKey}` } })
  const { username, secret, project } = (await answer.json()) as PushAccess
  const credentials = { username, password: secret }
  return client.open({ host, secure: false, repository: `${project}/${name}`, credentials })
}

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

test('pushes an image and reads it back', async () => {
  const repository = await openRepository('app')
  const [config, layer] = [Buffer.from('{"architecture":"amd64","os":"linux"}'), randomBytes(2 * MIB)]
  await repository.writeBlob(describeBlob(config), openAt(config))
  await repository.writeStream(openAt(layer)(0), () => describeBlob(layer))
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...describeBlob(config) },
      layers: [{ mediaType: OCI_LAYER, ...describeBlob(layer) }],
    }),
  )
  const digest = await repository.writeManifest(sha256(manifest), OCI_MANIFEST, manifest)
  expect(await repository.manifestDigest(digest)).toBe(digest)
  expect(Buffer.from((await repository.readManifest(digest)).bytes)).toEqual(manifest)
  expect(await readBack(repository, layer)).toBe(true)
})

test.each([
  ['known', 9 * MIB],
  ['streamed', 3 * MIB],
])(
  'a %s blob over a line that cuts each connection: at most one chunk is sent twice',
  async (kind, cutAfter) => {
    const proxy = await faultProxy(server.url, cutsConnections(cutAfter))
    const repository = await openRepository(`cut-${kind}`, proxy.host)
    const bytes = randomBytes(40 * MIB)
    let progress = 0
    const onBytes = (count: number): void => {
      progress += count
    }
    if (kind === 'known') await repository.writeBlob(describeBlob(bytes), openAt(bytes), { onBytes })
    else await repository.writeStream(openAt(bytes)(0), () => describeBlob(bytes), { onBytes })
    expect(proxy.cuts()).toBeGreaterThan(2)
    expect(proxy.sent()).toBeLessThanOrEqual(bytes.byteLength + CHUNK_BYTES)
    expect(progress).toBe(bytes.byteLength)
    expect(await readBack(await openRepository(`cut-${kind}`), bytes)).toBe(true)
    await proxy.close()
  },
)

test('what a mount answers is true of the repository', async () => {
  const bytes = randomBytes(1000)
  const base = await openRepository('base')
  await base.writeBlob(describeBlob(bytes), openAt(bytes))
  const target = await openRepository('mounting')
  const linked = await target.mountBlob(sha256(bytes), base.location.repository)
  expect(await target.blobSize(sha256(bytes))).toBe(linked ? 1000 : undefined)
})
