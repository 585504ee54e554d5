import { expect } from 'vitest'
import {
  type Algorithm,
  codesOf,
  digestOf,
  locationOf,
  type Registry,
  someBytes,
  withQuery,
} from './registry.ts'
import { type RuleRow, section } from './rules.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }
const UUID = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/
const range = (start: number, end: number) => ({ ...OCTETS, 'content-range': `${start}-${end}` })

/** The blob is there, byte for byte. */
async function assertBlob(r: Registry, digest: string, bytes: Uint8Array | string, location?: string) {
  const answer = await r.expect(200, 'GET', location ?? r.at(`blobs/${digest}`))
  expect(answer.bytes.equals(Buffer.from(bytes))).toBe(true)
}

const patch = (r: Registry, location: string, body: string, start: number) =>
  r.call('PATCH', location, { body, headers: range(start, start + body.length - 1) })

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
  ...section('Pushing a blob in chunks', [
    [
      'MUST',
      'each PATCH answers 202 with Location and Range, and PUT ends it',
      async (r) => {
        let location = await r.upload()
        for (const [start, text, received] of [
          [0, '01234', '0-4'],
          [5, '5', '0-5'],
          [6, '6789', '0-9'],
        ] as const) {
          const answer = await patch(r, location, text, start)
          expect([answer.status, answer.headers.get('range')]).toEqual([202, received])
          location = locationOf(answer)
        }
        const digest = digestOf('0123456789')
        const answer = await r.expect(201, 'PUT', withQuery(location, { digest }))
        await assertBlob(r, digest, '0123456789', locationOf(answer))
      },
    ],
    [
      'MAY',
      'the last chunk may come with PUT',
      async (r) => {
        const location = locationOf(await patch(r, await r.upload(), '01234', 0))
        const digest = digestOf('0123456789')
        const put = { body: '56789', headers: range(5, 9) }
        await r.expect(201, 'PUT', withQuery(location, { digest }), put)
        await assertBlob(r, digest, '0123456789')
      },
    ],
    ...(
      [
        ['the first chunk does not begin at 0', [], 5],
        ['a chunk leaves a gap', ['01234'], 7],
        ['a chunk comes twice', ['01234'], 0],
        ['a chunk begins inside the one before', ['01234'], 3],
      ] as const
    ).map(
      ([what, before, start]): RuleRow => [
        'MUST',
        `${what}: 416, and the upload goes on from where it was`,
        async (r) => {
          let location = await r.upload()
          for (const text of before) location = locationOf(await patch(r, location, text, 0))
          expect((await patch(r, location, '56789', start)).status).toBe(416)
          const status = await r.expect(204, 'GET', location)
          const at = before.join('').length
          if (at > 0) expect(status.headers.get('range')).toBe(`0-${at - 1}`)
          const rest = '0123456789'.slice(at)
          const next = await patch(r, locationOf(status), rest, at)
          expect(next.status).toBe(202)
          const digest = digestOf('0123456789')
          await r.expect(201, 'PUT', withQuery(locationOf(next), { digest }))
        },
        'it does not look at Content-Range, and appends what comes',
      ],
    ),
    [
      'MUST',
      'a last chunk out of order is 416',
      async (r) => {
        const location = locationOf(await patch(r, await r.upload(), '01234', 0))
        const put = { body: '56789', headers: range(6, 10) }
        await r.expect(416, 'PUT', withQuery(location, { digest: digestOf('0123456789') }), put)
      },
      'it does not look at Content-Range of the closing PUT',
    ],
    [
      'MUST',
      'a Content-Range that is none is refused',
      async (r) => {
        const headers = { ...OCTETS, 'content-range': 'everything' }
        await r.expect([400, 416], 'PATCH', await r.upload(), { body: '0', headers })
      },
      'it does not look at Content-Range',
    ],
    [
      'SHOULD',
      'a Content-Range that contradicts Content-Length is refused',
      async (r) => {
        await r.expect([400, 416], 'PATCH', await r.upload(), { body: '01234', headers: range(0, 9) })
      },
      'it does not look at Content-Range',
    ],
    [
      'MAY',
      'a PATCH without Content-Range goes on at the end',
      async (r) => {
        const first = await r.expect(202, 'PATCH', await r.upload(), { body: '01234', headers: OCTETS })
        const second = await r.expect(202, 'PATCH', locationOf(first), { body: '56789', headers: OCTETS })
        const digest = digestOf('0123456789')
        await r.expect(201, 'PUT', withQuery(locationOf(second), { digest }))
      },
    ],
    [
      'MUST',
      'GET of an upload answers 204 with Location and Range',
      async (r) => {
        const location = locationOf(await patch(r, await r.upload(), '01234', 0))
        const answer = await r.expect(204, 'GET', location)
        expect(answer.headers.get('range')).toBe('0-4')
        expect(locationOf(answer)).toBeTruthy()
      },
    ],
    ...(['sha256', 'sha512'] as const).map(
      (algorithm: Algorithm): RuleRow => [
        'SHOULD',
        `digest-algorithm=${algorithm}: chunks, and a blob under that digest`,
        async (r) => {
          const location = await r.upload(`?digest-algorithm=${algorithm}`)
          const digest = digestOf('0123456789', algorithm)
          const answer = await patch(r, location, '0123456789', 0)
          await r.expect(201, 'PUT', withQuery(locationOf(answer), { digest }))
          await assertBlob(r, digest, '0123456789')
        },
      ],
    ),
    [
      'SHOULD',
      'an unknown digest-algorithm is 400',
      async (r) => r.expect(400, 'POST', r.at('blobs/uploads/?digest-algorithm=md5')),
      'it does not know the parameter',
    ],
    [
      'MUST',
      'an upload that was never begun is 404',
      async (r) => {
        const location = (await r.upload()).replace(UUID, '00000000-0000-4000-8000-000000000000')
        for (const method of ['GET', 'PATCH', 'DELETE']) {
          const answer = await r.call(
            method,
            location,
            method === 'PATCH' ? { body: 'x', headers: OCTETS } : {},
          )
          expect([method, answer.status]).toEqual([method, 404])
          expect(codesOf(answer)).toEqual(['BLOB_UPLOAD_UNKNOWN'])
        }
      },
      'its Location carries a state of its own, which contradicts another id: 400',
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
