import { expect } from 'vitest'
import {
  type Algorithm,
  assertBlob,
  codesOf,
  digestOf,
  locationOf,
  type Registry,
  withQuery,
} from './registry.ts'
import { type RuleRow, section } from './rules.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }
const UUID = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/
const range = (start: number, end: number) => ({ ...OCTETS, 'content-range': `${start}-${end}` })

const patch = (r: Registry, location: string, body: string, start: number) =>
  r.call('PATCH', location, { body, headers: range(start, start + body.length - 1) })

export const PUSH_CHUNKS = [
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
]
