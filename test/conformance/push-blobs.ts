import { expect } from 'vitest'
import { assertBlob, codesOf, digestOf, locationOf, someBytes, withQuery } from './registry.ts'
import { section } from './rules.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }
const UUID = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/

export const PUSH_BLOBS = [
  ...section('Pushing blobs', [
    [
      'SHOULD',
      'a digest that is none, or of an unknown algorithm, is 400',
      async (r) => {
        for (const digest of ['sha256:123', 'nothing', `md5:${'0'.repeat(32)}`, `sha256:${'G'.repeat(64)}`]) {
          const answer = await r.expect(400, 'PUT', withQuery(await r.upload(), { digest }), {
            body: 'x',
            headers: OCTETS,
          })
          expect(codesOf(answer)).toEqual(['DIGEST_INVALID'])
        }
      },
    ],
    [
      'SHOULD',
      'a digest that is not that of the bytes is 400, and no blob is made',
      async (r) => {
        const digest = digestOf('promised')
        const answer = await r.expect(400, 'PUT', withQuery(await r.upload(), { digest }), {
          body: 'sent',
          headers: OCTETS,
        })
        expect(codesOf(answer)).toEqual(['DIGEST_INVALID'])
        for (const text of ['promised', 'sent']) await r.expect(404, 'HEAD', r.at(`blobs/${digestOf(text)}`))
      },
    ],
  ]),
  ...section('POST then PUT', [
    [
      'MUST',
      'POST answers 202 with a Location that has a UUID, each time another',
      async (r) => {
        const [one, two] = [await r.upload(), await r.upload()]
        expect(UUID.exec(one)?.[0]).toBeDefined()
        expect(UUID.exec(one)?.[0]).not.toBe(UUID.exec(two)?.[0])
      },
    ],
    [
      'MUST',
      'PUT answers 201 with a Location that the blob can be pulled from',
      async (r) => {
        const bytes = someBytes()
        const digest = digestOf(bytes)
        const put = withQuery(await r.upload(), { digest })
        const answer = await r.expect(201, 'PUT', put, { body: bytes, headers: OCTETS })
        await assertBlob(r, digest, bytes, locationOf(answer))
        expect(answer.headers.get('docker-content-digest')).toBe(digest)
      },
    ],
    [
      'MUST',
      'an empty blob is a blob',
      async (r) => {
        const digest = await r.pushBlob('')
        await assertBlob(r, digest, '')
        expect((await r.expect(200, 'HEAD', r.at(`blobs/${digest}`))).headers.get('content-length')).toBe('0')
      },
    ],
    [
      'MAY',
      'a blob that is there may be pushed again',
      async (r) => {
        const digest = await r.pushBlob('twice')
        await r.pushBlob('twice')
        await assertBlob(r, digest, 'twice')
      },
    ],
  ]),
  ...section('Single POST', [
    [
      'MAY',
      'POST with digest and body answers 201 with a Location that the blob can be pulled from',
      async (r) => {
        const bytes = someBytes()
        const path = r.at(`blobs/uploads/?digest=${digestOf(bytes)}`)
        const answer = await r.expect(201, 'POST', path, { body: bytes, headers: OCTETS })
        await assertBlob(r, digestOf(bytes), bytes, locationOf(answer))
      },
      'it begins an upload and answers 202',
    ],
    [
      'MUST',
      'a digest that is not that of the bytes is refused',
      async (r) => {
        const path = r.at(`blobs/uploads/?digest=${digestOf('promised')}`)
        await r.expect([400, 202], 'POST', path, { body: 'sent', headers: OCTETS })
        await r.expect(404, 'HEAD', r.at(`blobs/${digestOf('promised')}`))
      },
    ],
  ]),
  ...section('Cancel a blob upload', [
    [
      'SHOULD',
      'DELETE answers 204, and the upload is gone',
      async (r) => {
        const location = await r.upload()
        await r.expect(204, 'DELETE', location)
        await r.expect(404, 'GET', location)
        await r.expect(404, 'PATCH', location, { body: 'x', headers: OCTETS })
      },
    ],
  ]),
  ...section('Mounting a blob from another repository', [
    [
      'MUST',
      'a mount answers 201 with a Location that the blob can be pulled from',
      async (r) => {
        const bytes = someBytes()
        const digest = await r.pushBlob(bytes, { name: r.other })
        const path = r.at(`blobs/uploads/?mount=${digest}&from=${r.other}`)
        const answer = await r.expect(201, 'POST', path)
        await assertBlob(r, digest, bytes, locationOf(answer))
        await assertBlob(r, digest, bytes)
      },
    ],
    [
      'SHOULD',
      'a mount that is not possible begins an upload: 202',
      async (r) => {
        const bytes = someBytes()
        const digest = digestOf(bytes)
        for (const from of [r.other, `${r.name}/never`]) {
          const answer = await r.expect(202, 'POST', r.at(`blobs/uploads/?mount=${digest}&from=${from}`))
          const put = { body: bytes, headers: OCTETS }
          await r.expect(201, 'PUT', withQuery(locationOf(answer), { digest }), put)
          await r.expect(202, 'DELETE', r.at(`blobs/${digest}`))
        }
      },
    ],
    [
      'MAY',
      'without from the blob is looked for everywhere: 201',
      async (r) => {
        const bytes = someBytes()
        const digest = await r.pushBlob(bytes, { name: r.other })
        const answer = await r.expect(201, 'POST', r.at(`blobs/uploads/?mount=${digest}`))
        await assertBlob(r, digest, bytes, locationOf(answer))
      },
      'it needs from, and begins an upload: 202',
    ],
    [
      'MUST',
      'the blob stays when it is deleted where it was mounted from',
      async (r) => {
        const bytes = someBytes()
        const digest = await r.pushBlob(bytes, { name: r.other })
        await r.expect(201, 'POST', r.at(`blobs/uploads/?mount=${digest}&from=${r.other}`))
        await r.expect(202, 'DELETE', r.at(`blobs/${digest}`, r.other))
        await assertBlob(r, digest, bytes)
      },
    ],
  ]),
]
