import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Image, ImageEvent, ReasonCode } from '../../../src/contract/image.ts'
import { digestBytes } from '../../../src/oci/digest.ts'
import { createRegistryClient } from '../../../src/registry/client.ts'
import { upstreamFetcher } from '../../../src/server/images/upstream.ts'
import { layerBytes, makeImage, makeIndex, pushTag, storeImage } from './content.ts'
import { type OpenImages, type Organization, openImages } from './open-images.ts'
import { startUpstreamRegistry, type UpstreamRegistry } from './upstream-registry.ts'

let upstream: UpstreamRegistry
let server: OpenImages
const shared = layerBytes('shared', 5000)
const one = makeImage({ seed: 'one', layers: [shared, layerBytes('one')] })
const two = makeImage({ seed: 'two', layers: [shared, layerBytes('two')] })

beforeEach(async () => {
  upstream = await startUpstreamRegistry()
  server = await openImages({ allowUpstream: [upstream.host] })
})
afterEach(async () => {
  await server.close()
  await upstream.close()
})

async function create(
  reference = `${upstream.host}/team/app:1`,
  name = 'app:1',
  { key }: Organization = server.acme,
): Promise<string> {
  const body = { name, source: { kind: 'registry', reference } }
  const answer = await server.call('POST', '/images', { body, key })
  expect(answer.status).toBe(200)
  return answer.body.id
}

/** Creates, and lets every wait pass until the image has settled. */
async function outcome(reference?: string): Promise<Image> {
  const id = await create(reference)
  server.startReconciler()
  return settle(id)
}

async function settle(id: string): Promise<Image> {
  for (;;) {
    const row = await server.ctx.db
      .selectFrom('images')
      .select(['state', 'leaseOwner', 'nextAttemptAt'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    if (row.state === 'active' || row.state === 'error') break
    const wait = row.leaseOwner === null ? row.nextAttemptAt - server.ctx.now() : 0
    if (wait > 0) server.advance(wait)
    server.ctx.wakeReconciler()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return (await server.call('GET', `/images/${id}`)).body
}

/** A fetch that failed left no name, no digest and no manifest behind. */
async function expectFailure(image: Image, code: ReasonCode, message?: RegExp): Promise<void> {
  expect([image.state, image.reason?.code]).toEqual(['error', code])
  expect(image.reason?.hint).toBeTruthy()
  if (message) expect(image.reason?.message).toMatch(message)
  expect(image.digest).toBeNull()
  for (const table of ['tags', 'manifests', 'uploads'] as const) {
    expect(await server.ctx.db.selectFrom(table).selectAll().execute()).toEqual([])
  }
}

const blobRequests = () => upstream.requests.filter((request) => request.includes('/blobs/'))
const answer =
  (status: number, headers: Record<string, string> = {}): UpstreamRegistry['fault'] =>
  (_, response) => {
    response.writeHead(status, headers).end('{}')
    return true
  }

describe('what is fetched', () => {
  test('manifest, config and layers, under the same digest', async () => {
    upstream.put('1', one)
    expect(await outcome()).toMatchObject({
      state: 'active',
      digest: one.digest,
      platform: 'linux/amd64',
      source: { kind: 'registry', reference: `${upstream.host}/team/app:1` },
    })
    expect(await server.ctx.db.selectFrom('tags').select(['tag', 'digest']).execute()).toEqual([
      { tag: '1', digest: one.digest },
    ])
    const states = (await server.call<ImageEvent[]>('GET', '/images/app:1/events')).body.map(
      ({ state }) => state,
    )
    expect(states).toEqual(['pending', 'pulling_image', 'pending_validation', 'validating', 'active'])
  })

  test('of an index: the index itself and the platform’s image, nothing else', async () => {
    const arm64 = makeImage({ seed: 'arm64', architecture: 'arm64' })
    upstream.put('arm', arm64)
    upstream.put('amd', one)
    const index = makeIndex(
      [
        ['arm64', arm64],
        ['amd64', one],
      ],
      true,
    )
    upstream.putIndex('1', index)
    expect(await outcome()).toMatchObject({
      state: 'active',
      digest: digestBytes(index),
      platform: 'linux/amd64',
    })
    const stored = await server.ctx.db.selectFrom('manifests').select('digest').execute()
    expect(stored.map(({ digest }) => digest).sort()).toEqual([digestBytes(index), one.digest].sort())
    expect(upstream.requests.join('\n')).not.toContain(arm64.digest)
  })

  test('only what the organization lacks', async () => {
    upstream.put('1', one)
    upstream.put('2', two)
    await outcome()
    const before = blobRequests().length
    await settle(await create(`${upstream.host}/team/app:2`, 'other:2'))
    expect(before).toBe(3)
    expect(blobRequests().slice(before).join('\n')).not.toContain(digestBytes(shared))
    expect(blobRequests()).toHaveLength(5)
  })

  test('what only another organization has is fetched all the same: a digest is no proof of possession', async () => {
    upstream.put('1', one)
    const other = await server.addOrganization('other')
    await storeImage(server.ctx, other, 'secret', one)
    expect((await outcome()).state).toBe('active')
    expect(blobRequests()).toHaveLength(3)
    await server.close()

    server = await openImages({ allowUpstream: [upstream.host] })
    await storeImage(server.ctx, await server.addOrganization('other'), 'secret', one)
    upstream.fault = (request, response) =>
      (request.url ?? '').includes('/blobs/') && answer(404)(request, response)
    const id = await create()
    server.startReconciler()
    expect((await settle(id)).reason?.code).toBe('UPSTREAM_NOT_FOUND')
    const links = await server.ctx.db
      .selectFrom('blob_links')
      .innerJoin('repositories', 'repositories.id', 'blob_links.repositoryId')
      .where('organizationId', '=', server.acme.id)
      .selectAll()
      .execute()
    expect(links).toEqual([])
  })

  test('a pinned digest', async () => {
    upstream.put('1', one)
    expect((await outcome(`${upstream.host}/team/app:9@${one.digest}`)).digest).toBe(one.digest)
  })
})

describe('failures of the upstream', () => {
  test('not there: told at once, never tried again', async () => {
    await expectFailure(await outcome(), 'UPSTREAM_NOT_FOUND')
    expect(upstream.requests).toHaveLength(1)
  })

  test('a blob that is not there', async () => {
    upstream.put('1', one)
    upstream.fault = (request, response) =>
      !!request.url?.endsWith(digestBytes(shared)) && answer(404)(request, response)
    await expectFailure(await outcome(), 'UPSTREAM_NOT_FOUND')
  })

  test.each([401, 403])('%i', async (status) => {
    upstream.fault = answer(status)
    await expectFailure(await outcome(), 'UPSTREAM_AUTH')
  })

  test('429 twice with Retry-After: visible meanwhile, and active in the end', async () => {
    upstream.put('1', one)
    let times = 0
    upstream.fault = (request, response) =>
      times++ < 2 && answer(429, { 'retry-after': '30' })(request, response)
    const id = await create()
    server.startReconciler()
    const waiting = await (async () => {
      for (;;) {
        const { body } = await server.call('GET', `/images/${id}`)
        if (body.reason) return body
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    expect(waiting).toMatchObject({
      state: 'pulling_image',
      step: expect.stringMatching(/^next try at/),
      reason: { code: 'UPSTREAM_RATE_LIMITED', retryable: true, attempt: 1 },
    })
    expect(waiting.step).toBe(`next try at ${waiting.reason?.nextTryAt}`)
    expect(times).toBe(1)
    expect(await settle(id)).toMatchObject({ state: 'active', reason: null })
    const { body: events } = await server.call<ImageEvent[]>('GET', `/images/${id}/events`)
    expect(events.filter(({ type }) => type === 'retry').map(({ reason }) => reason?.code)).toEqual([
      'UPSTREAM_RATE_LIMITED',
      'UPSTREAM_RATE_LIMITED',
    ])
    const { at, nextTryAt } = events.find(({ type }) => type === 'retry')!.reason!
    expect(Date.parse(nextTryAt!) - Date.parse(at)).toBeGreaterThanOrEqual(30_000)
  })

  test.each([
    ['hours of patience, twice', { 'retry-after': String(5 * 3600) }, 5 * 3600],
    ['a reset', { 'ratelimit-reset': '700' }, 700],
    ['a window', { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' }, 900],
  ])(
    '429 with %s: the wait is kept, and does not count against the deadline',
    async (_, headers, seconds) => {
      upstream.put('1', one)
      let times = 0
      upstream.fault = (request, response) => times++ < 2 && answer(429, headers)(request, response)
      const image = await outcome()
      expect(image.state).toBe('active')
      const { body: events } = await server.call<ImageEvent[]>('GET', `/images/${image.id}/events`)
      const waits = events.flatMap(({ reason }) =>
        reason ? [(Date.parse(reason.nextTryAt!) - Date.parse(reason.at)) / 1000] : [],
      )
      expect(waits.map((wait) => Math.round(wait / 10) * 10)).toEqual([seconds, seconds])
    },
  )

  test('429 for longer than anybody waits: told at once', async () => {
    upstream.fault = answer(429, { 'retry-after': String(7 * 3600) })
    const image = await outcome()
    await expectFailure(image, 'UPSTREAM_RATE_LIMITED')
    expect(image.reason).toMatchObject({ retryable: true, attempt: 1 })
    expect(image.reason).not.toHaveProperty('nextTryAt')
    expect(upstream.requests).toHaveLength(1)
  })

  test('500 for ever', async () => {
    upstream.fault = answer(500)
    const image = await outcome()
    await expectFailure(image, 'UPSTREAM_UNREACHABLE', /500/)
    expect(image.reason).toMatchObject({ retryable: true, attempt: 4 })
  })

  test('nobody listens', async () => {
    await upstream.close()
    await expectFailure(await outcome(), 'UPSTREAM_UNREACHABLE', /connection refused/)
    upstream = await startUpstreamRegistry()
  })

  test('a blob with other bytes', async () => {
    upstream.put('1', one)
    upstream.putBlob(digestBytes(shared), layerBytes('evil', shared.length))
    await expectFailure(await outcome(), 'DIGEST_MISMATCH')
    expect(await server.ctx.blobs.size(digestBytes(shared))).toBeUndefined()
    expect(await server.ctx.blobs.size(digestBytes(layerBytes('evil', shared.length)))).toBeUndefined()
  })

  test.each([
    ['longer', Buffer.concat([shared, shared])],
    ['shorter', shared.subarray(1)],
  ])('a blob that is %s than the manifest says', async (_, bytes) => {
    upstream.put('1', one)
    upstream.putBlob(digestBytes(shared), bytes)
    await expectFailure(await outcome(), 'DIGEST_MISMATCH')
  })

  test('a manifest that is not the pinned one', async () => {
    upstream.put('1', one)
    upstream.fault = (request, response) => {
      if (!request.url?.endsWith(two.digest)) return false
      response
        .writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' })
        .end(one.manifest)
      return true
    }
    await expectFailure(await outcome(`${upstream.host}/team/app@${two.digest}`), 'DIGEST_MISMATCH')
  })

  test('a manifest that is none', async () => {
    upstream.fault = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }).end('[]')
      return true
    }
    await expectFailure(await outcome(), 'MANIFEST_INVALID')
  })

  test('no image for the platform: told before any blob is fetched', async () => {
    const arm64 = makeImage({ architecture: 'arm64' })
    upstream.put('arm', arm64)
    upstream.putIndex('1', makeIndex([['arm64', arm64]], true))
    await expectFailure(await outcome(), 'ARCH_MISMATCH', /linux\/arm64/)
    expect(blobRequests()).toEqual([])
  })

  test('an image over the limit: told before any blob is fetched', async () => {
    await server.close()
    const { limits } = server.ctx.settings
    server = await openImages({ allowUpstream: [upstream.host], limits: { ...limits, imageBytes: 5000 } })
    upstream.put('1', one)
    await expectFailure(await outcome(), 'TOO_LARGE')
    expect(blobRequests()).toEqual([])
  })

  test('a connection that breaks in the middle of a blob goes on where it was', async () => {
    upstream.put('1', one)
    let isBroken = false
    const ranges: (string | undefined)[] = []
    upstream.fault = (request, response) => {
      if (request.url?.endsWith(digestBytes(shared))) ranges.push(request.headers.range)
      if (isBroken || !request.url?.endsWith(digestBytes(shared))) return false
      isBroken = true
      response.writeHead(200, { 'content-length': shared.length })
      response.write(shared.subarray(0, 2000))
      // Bytes that nobody has read yet are lost with their connection.
      setTimeout(() => response.destroy(), 200)
      return true
    }
    expect((await outcome()).state).toBe('active')
    expect(ranges).toEqual([undefined, 'bytes=2000-'])
  })
})

test('blobs come in parallel, and not all at once', async () => {
  const many = makeImage({ layers: Array.from({ length: 9 }, (_, n) => layerBytes(`layer ${n}`)) })
  upstream.put('1', many)
  const waiting: (() => void)[] = []
  let most = 0
  upstream.fault = (request, response) => {
    const bytes = many.blobs.get(request.url?.split('/').at(-1) as never)
    if (!bytes) return false
    waiting.push(() => response.writeHead(200, { 'content-length': bytes.length }).end(bytes))
    most = Math.max(most, waiting.length)
    // As many as will come have come; only then is one of them answered.
    setTimeout(() => waiting.shift()?.(), 50)
    return true
  }
  expect((await outcome()).state).toBe('active')
  expect(most).toBe(3)
})

describe('what only the server can reach (SSRF)', () => {
  test.each([
    ['an address', () => upstream.host],
    ['a name', () => upstream.host.replace('127.0.0.1', 'localhost')],
    ['another way to write it', () => upstream.host.replace('127.0.0.1', '127.1')],
  ])('is not fetched from, by %s', async (_, host) => {
    await server.close()
    server = await openImages()
    await expectFailure(await outcome(`${host()}/team/app:1`), 'SOURCE_FORBIDDEN', /not a public address/)
    expect(upstream.requests).toEqual([])
  })

  test('nor another port than the allowed one', async () => {
    const hidden = await startUpstreamRegistry()
    try {
      await expectFailure(await outcome(`${hidden.host}/team/app:1`), 'SOURCE_FORBIDDEN')
      expect(hidden.requests).toEqual([])
    } finally {
      await hidden.close()
    }
  })

  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://[::ffff:10.0.0.1]/x',
    'https://[fd00::1]/x',
  ])('nor by a redirect of a blob to %s', async (location) => {
    upstream.put('1', one)
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false
      return answer(307, { location })(request, response)
    }
    await expectFailure(await outcome(), 'SOURCE_FORBIDDEN')
  })

  test('nor by a token realm', async () => {
    const hidden = await startUpstreamRegistry()
    try {
      const challenge = `Bearer realm="http://${hidden.host}/token",service="x"`
      upstream.fault = answer(401, { 'www-authenticate': challenge })
      await expectFailure(await outcome(), 'SOURCE_FORBIDDEN')
      expect(hidden.requests).toEqual([])
    } finally {
      await hidden.close()
    }
  })
})

describe('credentials', () => {
  const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`
  const challenged: UpstreamRegistry['fault'] = (request, response) =>
    request.headers.authorization !== basic &&
    answer(401, { 'www-authenticate': 'Basic realm="x"' })(request, response)

  async function addRegistry(host: string, organizationId = server.acme.id): Promise<void> {
    const row = {
      id: host,
      organizationId,
      name: host,
      host,
      secure: 0,
      username: 'me',
      project: '',
      isDefault: 1,
    }
    const sealedPassword = server.ctx.keys.seal('secret')
    await server.ctx.db
      .insertInto('registries')
      .values({ ...row, sealedPassword, createdAt: 1, updatedAt: 1 })
      .execute()
  }

  test('of exactly this host are used', async () => {
    upstream.put('1', one)
    upstream.fault = challenged
    await addRegistry(upstream.host)
    expect((await outcome()).state).toBe('active')
  })

  test('of a host that merely begins alike, or of another organization, are not (W-11)', async () => {
    upstream.put('1', one)
    upstream.fault = challenged
    const other = await server.addOrganization('other')
    await addRegistry('127.0.0.1')
    await addRegistry(upstream.host.slice(0, -1))
    await addRegistry(`${upstream.host}.evil.test`)
    await addRegistry(upstream.host, other.id)
    await expectFailure(await outcome(), 'UPSTREAM_AUTH')
    expect(upstream.authorizations.filter((value) => value !== undefined)).toEqual([])
  })

  test('stay with the host when it redirects', async () => {
    upstream.put('1', one)
    const storage = await startUpstreamRegistry()
    await server.close()
    server = await openImages({ allowUpstream: [upstream.host, storage.host] })
    await addRegistry(upstream.host)
    storage.put('1', one)
    upstream.fault = (request, response) => {
      if (challenged(request, response)) return true
      if (!request.url?.includes('/blobs/')) return false
      return answer(307, { location: `http://${storage.host}${request.url}` })(request, response)
    }
    try {
      expect((await outcome()).state).toBe('active')
      expect(storage.requests).toHaveLength(3)
      expect(storage.authorizations).toEqual([undefined, undefined, undefined])
    } finally {
      await storage.close()
    }
  })
})

describe('while it is fetched', () => {
  /** Upstream answers no blob; resolves when the first is asked for. */
  function hang(): Promise<void> {
    upstream.put('1', one)
    return new Promise((resolve) => {
      upstream.fault = (request) => {
        if (!request.url?.includes('/blobs/')) return false
        resolve()
        return true
      }
    })
  }

  test('a stop gives it back, and the next start fetches it', async () => {
    const hanging = hang()
    const id = await create()
    const reconciler = server.startReconciler()
    await hanging
    await reconciler.stop()
    expect((await server.call('GET', `/images/${id}`)).body).toMatchObject({
      state: 'pulling_image',
      reason: null,
    })
    upstream.fault = () => false
    server.startReconciler()
    expect((await settle(id)).state).toBe('active')
  })

  test('a push of the name wins', async () => {
    const hanging = hang()
    const id = await create()
    server.startReconciler()
    await hanging
    await storeImage(server.ctx, server.acme, 'app', two)
    await pushTag(server.ctx, server.acme, 'app:1', two.digest)
    expect(await settle(id)).toMatchObject({
      state: 'active',
      digest: two.digest,
      source: { kind: 'pushed' },
    })
  })

  test('a deletion leaves no name and no image', async () => {
    const hanging = hang()
    const id = await create()
    const reconciler = server.startReconciler()
    await hanging
    expect((await server.call('DELETE', `/images/${id}`)).status).toBe(200)
    await reconciler.stop()
    for (const table of ['images', 'tags', 'manifests'] as const) {
      expect(await server.ctx.db.selectFrom(table).selectAll().execute()).toEqual([])
    }
  })
})

test('a registry that never sends the manifest is given up, to be tried again', async () => {
  upstream.fault = () => true
  const id = await create()
  const image = await server.ctx.db
    .selectFrom('images')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const client = createRegistryClient({ userAgent: 'test' })
  const fetchImage = upstreamFetcher(server.ctx, (location) => client.open(location), 50)
  await expect(fetchImage(image, new AbortController().signal)).rejects.toMatchObject({
    code: 'UPSTREAM_UNREACHABLE',
    retryable: true,
  })
})
