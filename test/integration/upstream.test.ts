import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PushAccess } from '../../src/contract/identity.ts'
import type { Image } from '../../src/contract/image.ts'
import { digestBytes } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { RepositoryLocation } from '../../src/ports/registry.ts'
import { createRegistryClient } from '../../src/registry/client.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { layerBytes, type MadeImage, makeImage, makeIndex } from '../server/images/content.ts'
import { describeWith, service } from '../services/use.ts'

const MIB = 1024 * 1024
const TAG = '1.0'
const client = createRegistryClient()
const amd64 = makeImage({ seed: 'amd64', layers: [layerBytes('big', 5 * MIB), layerBytes('small')] })
const arm64 = makeImage({ seed: 'arm64', architecture: 'arm64' })
const index = makeIndex([
  ['arm64', arm64],
  ['amd64', amd64],
])

afterAll(() => client.close())

/** Puts both images and an index of them into a registry, as `TAG` and `index`. */
async function publish(location: RepositoryLocation): Promise<void> {
  const repository = client.open(location)
  const put = async (image: MadeImage) => {
    for (const [digest, bytes] of image.blobs) {
      await repository.writeBlob({ digest, size: bytes.length }, (offset) =>
        Readable.from([bytes.subarray(offset)]),
      )
    }
    await repository.writeManifest(image.digest, OCI_MANIFEST, image.manifest)
  }
  await put(amd64)
  await put(arm64)
  await repository.writeManifest(TAG, OCI_MANIFEST, amd64.manifest)
  await repository.writeManifest('index', OCI_INDEX, index)
}

/** A server of ours with what its first key may do. */
interface Own {
  readonly server: RunningServer
  call<T>(method: string, path: string, body?: unknown): Promise<T>
  /** Asks for an image of that reference and waits for its end. */
  fetched(name: string, reference: string): Promise<Image>
  close(): Promise<void>
}

async function startOwn(allowUpstream: readonly string[]): Promise<Own> {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-upstream-'))
  const server = await startServer(serverSettings({ dataDir, port: 0, allowUpstream }), {
    log: pino({ level: 'silent' }),
  })
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${server.url}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${server.bootstrapKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    expect([method, path, response.ok]).toEqual([method, path, true])
    return (await response.json()) as T
  }
  return {
    server,
    call,
    async fetched(name, reference) {
      const created = await call<Image>('POST', '/images', { name, source: { kind: 'registry', reference } })
      for (;;) {
        const image = await call<Image>('GET', `/images/${created.id}`)
        if (image.state === 'active' || image.state === 'error') return image
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async close() {
      await server.close()
      await rm(dataDir, { recursive: true })
    },
  }
}

describeWith(['registry'], 'an image of CNCF distribution', () => {
  const repository = 'upstream/app'
  let own: Own
  beforeAll(async () => {
    const { host } = service('registry')
    await publish({ host, secure: false, repository })
    own = await startOwn([host])
  })
  afterAll(() => own.close())

  test('is fetched and active, under the digest it has there', async () => {
    const image = await own.fetched('app:1.0', `${service('registry').host}/${repository}:${TAG}`)
    expect(image).toMatchObject({
      state: 'active',
      digest: amd64.digest,
      platform: 'linux/amd64',
      reason: null,
    })
    const bytes = [...amd64.blobs.values()].reduce((sum, { length }) => sum + length, 0)
    expect(image.sizeBytes).toBe(bytes)
  })

  test('of an index: the index is kept, one platform is fetched', async () => {
    const image = await own.fetched('index:1.0', `${service('registry').host}/${repository}:index`)
    expect(image).toMatchObject({ state: 'active', digest: digestBytes(index), platform: 'linux/amd64' })
  })

  test('by digest', async () => {
    const image = await own.fetched('pinned:1.0', `${service('registry').host}/${repository}@${amd64.digest}`)
    expect(image).toMatchObject({ state: 'active', digest: amd64.digest })
  })

  test('that is for another platform is refused', async () => {
    const image = await own.fetched('arm:1.0', `${service('registry').host}/${repository}@${arm64.digest}`)
    expect(image.reason?.code).toBe('ARCH_MISMATCH')
  })

  test.each([
    ['tag', `${repository}:none`],
    ['repository', 'upstream/none:1.0'],
  ])('that is not there: no such %s', async (what, path) => {
    const image = await own.fetched(`none:${what}`, `${service('registry').host}/${path}`)
    expect(image.reason?.code).toBe('UPSTREAM_NOT_FOUND')
  })

  test('can be pulled from here', async () => {
    const access = await own.call<PushAccess>('GET', '/docker-registry/registry-push-access?repository=app')
    const pulled = client.open({
      host: access.registryUrl,
      secure: false,
      repository: `${access.project}/app`,
      credentials: { username: access.username, password: access.secret },
    })
    expect((await pulled.readManifest(TAG)).digest).toBe(amd64.digest)
    const [digest, bytes] = [...amd64.blobs][1]!
    const blob = await (await pulled.readBlob({ digest, size: bytes.length })).toArray()
    expect(digestBytes(Buffer.concat(blob))).toBe(digest)
  })

  test('is not fetched by a server that may not go there', async () => {
    const strict = await startOwn([])
    try {
      const image = await strict.fetched('app:1.0', `${service('registry').host}/${repository}:${TAG}`)
      expect(image.reason?.code).toBe('SOURCE_FORBIDDEN')
    } finally {
      await strict.close()
    }
  })
})

describeWith(['privateRegistry'], 'an image of CNCF distribution behind basic auth', () => {
  const repository = 'upstream/secret'
  let own: Own
  const reference = () => `${service('privateRegistry').host}/${repository}:${TAG}`
  beforeAll(async () => {
    const { host, username, password } = service('privateRegistry')
    await publish({ host, secure: false, repository, credentials: { username, password } })
    own = await startOwn([host])
  })
  afterAll(() => own.close())

  test('needs the credentials of an entry for that host, and the right ones', async () => {
    const { host, username, password } = service('privateRegistry')
    expect((await own.fetched('anonymous:1.0', reference())).reason?.code).toBe('UPSTREAM_AUTH')

    const entry = { name: 'private', url: `http://${host}`, username }
    const { id } = await own.call<{ id: string }>('POST', '/docker-registry', { ...entry, password: 'wrong' })
    const refused = await own.fetched('refused:1.0', reference())
    expect(refused.reason?.code).toBe('UPSTREAM_AUTH')
    expect(JSON.stringify(refused)).not.toContain('wrong')

    await own.call('PATCH', `/docker-registry/${id}`, { password })
    expect(await own.fetched('app:1.0', reference())).toMatchObject({ state: 'active', digest: amd64.digest })
    const retried = await own.call<Image>('POST', '/images/refused:1.0/retry')
    expect(retried).toMatchObject({ state: 'pending', reason: null })
  })
})

describe('an image of another server of ours', () => {
  test('is fetched with a token', async () => {
    const source = await startOwn([])
    const host = `127.0.0.1:${source.server.port}`
    const target = await startOwn([host])
    try {
      const access = await source.call<PushAccess>('GET', '/docker-registry/registry-push-access')
      const credentials = { username: access.username, password: access.secret }
      await publish({ host, secure: false, repository: `${access.project}/app`, credentials })
      const reference = `${host}/${access.project}/app:${TAG}`
      expect((await target.fetched('anonymous:1.0', reference)).reason?.code).toMatch(/^UPSTREAM_/)
      await target.call('POST', '/docker-registry', { name: 'source', url: `http://${host}`, ...credentials })
      expect(await target.fetched('app:1.0', reference)).toMatchObject({
        state: 'active',
        digest: amd64.digest,
      })
    } finally {
      await target.close()
      await source.close()
    }
  })
})
