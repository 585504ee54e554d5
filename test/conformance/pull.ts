import { expect } from 'vitest'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { codesOf, descriptorOf, digestOf, jsonOf, someBytes } from './registry.ts'
import { type RuleRow, section } from './rules.ts'

const ACCEPT = { accept: `${OCI_MANIFEST}, ${OCI_INDEX}` }
const UNKNOWN = `sha256:${'0'.repeat(64)}`

export const PULL = [
  ...section('Determining Support', [['MUST', 'GET /v2/ answers 200', (r) => r.expect(200, 'GET', '/v2/')]]),
  ...section('Pulling manifests', [
    [
      'MUST',
      'names with every separator the grammar has are taken',
      async (r) => {
        for (const name of [`${r.name}/a.b/c_d/e__f`, `${r.name}/g-h/i---j/0`]) {
          await r.pushBlob('named', { name })
          await r.expect(200, 'GET', r.at(`blobs/${digestOf('named')}`, name))
        }
      },
    ],
    [
      'MUST',
      'names outside of the grammar are refused',
      async (r) => {
        for (const bad of ['Upper', 'a..b', '-a', 'a_', 'a___b', 'a.-b']) {
          await r.expect([400, 404], 'GET', r.at('tags/list', `${r.name}/${bad}`))
          await r.expect([400, 404], 'POST', r.at('blobs/uploads/', `${r.name}/${bad}`))
        }
      },
    ],
    [
      'MUST',
      'a tag of 128 characters, of every kind, is a tag',
      async (r) => {
        const tag = `_aZ0.-${'x'.repeat(122)}`
        const { text } = await r.pushImage(tag)
        const { bytes } = await r.expect(200, 'GET', r.at(`manifests/${tag}`), { headers: ACCEPT })
        expect(bytes.toString()).toBe(text)
      },
    ],
    [
      'MUST',
      'what is neither a tag nor a digest is refused',
      async (r) => {
        const { text } = await r.makeImage()
        for (const bad of ['.dot', '-dash', 'x'.repeat(129), 'a+b', 'sha256:123']) {
          const headers = { 'content-type': OCI_MANIFEST }
          await r.expect([400, 404], 'PUT', r.at(`manifests/${bad}`), { body: text, headers })
        }
      },
      'it stores a manifest under a tag like sha256:123, and answers 500',
    ],
    [
      'MUST',
      'GET by tag and by digest answers 200 with the manifest, and with its digest in Docker-Content-Digest',
      async (r) => {
        const { text, digest } = await r.pushImage('1.0')
        for (const reference of ['1.0', digest]) {
          const answer = await r.expect(200, 'GET', r.at(`manifests/${reference}`), { headers: ACCEPT })
          expect(answer.bytes.toString()).toBe(text)
          expect(answer.headers.get('docker-content-digest')).toBe(digest)
        }
      },
    ],
    [
      'SHOULD',
      'Content-Type is what was pushed, and has no parameters',
      async (r) => {
        await r.pushImage('1.0')
        const { headers } = await r.expect(200, 'GET', r.at('manifests/1.0'), { headers: ACCEPT })
        expect(headers.get('content-type')).toBe(OCI_MANIFEST)
      },
    ],
    [
      'MUST',
      'a manifest that is not there is 404',
      async (r) => {
        await r.pushImage('1.0')
        for (const reference of ['none', UNKNOWN]) {
          const answer = await r.expect(404, 'GET', r.at(`manifests/${reference}`))
          expect(codesOf(answer)).toEqual(['MANIFEST_UNKNOWN'])
        }
      },
    ],
    [
      'MUST',
      'a repository that is not there is 404',
      (r) => r.expect(404, 'GET', r.at('manifests/1.0', `${r.name}/never`)),
    ],
    [
      'MAY',
      'If-None-Match with the ETag of before saves the body (RFC 9110)',
      async (r) => {
        await r.pushImage('1.0')
        const { headers } = await r.expect(200, 'GET', r.at('manifests/1.0'), { headers: ACCEPT })
        const again = { ...ACCEPT, 'if-none-match': headers.get('etag') ?? '' }
        const answer = await r.expect(304, 'GET', r.at('manifests/1.0'), { headers: again })
        expect(answer.bytes).toHaveLength(0)
      },
    ],
  ]),
  ...section('Pulling blobs', [
    [
      'MUST',
      'GET answers 200 with the blob, and its digest in Docker-Content-Digest',
      async (r) => {
        const blob = someBytes(70_000)
        const digest = await r.pushBlob(blob)
        const answer = await r.expect(200, 'GET', r.at(`blobs/${digest}`))
        expect(answer.bytes.equals(blob)).toBe(true)
        expect(answer.headers.get('docker-content-digest')).toBe(digest)
      },
    ],
    [
      'MUST',
      'a blob that is not there is 404',
      async (r) => {
        await r.pushBlob('a')
        expect(codesOf(await r.expect(404, 'GET', r.at(`blobs/${UNKNOWN}`)))).toEqual(['BLOB_UNKNOWN'])
      },
    ],
    ...(
      [
        ['bytes=0-3', '0123', '0-3'],
        ['bytes=4-', '456789', '4-9'],
        ['bytes=-3', '789', '7-9'],
        ['bytes=8-99', '89', '8-9'],
        ['bytes=0-0', '0', '0-0'],
      ] as const
    ).map(
      ([range, part, contentRange]): RuleRow => [
        'SHOULD',
        `Range ${range} of ten bytes answers 206 with that part`,
        async (r) => {
          const digest = await r.pushBlob('0123456789')
          const answer = await r.expect(206, 'GET', r.at(`blobs/${digest}`), { headers: { range } })
          expect(answer.bytes.toString()).toBe(part)
          expect(answer.headers.get('content-range')).toBe(`bytes ${contentRange}/10`)
        },
      ],
    ),
    [
      'SHOULD',
      'a Range behind the end is 416, with the size in Content-Range',
      async (r) => {
        const digest = await r.pushBlob('0123456789')
        const answer = await r.expect(416, 'GET', r.at(`blobs/${digest}`), {
          headers: { range: 'bytes=10-' },
        })
        expect(answer.headers.get('content-range')).toBe('bytes */10')
      },
      'it says 416 and a length, and cuts the connection before that many bytes',
    ],
    [
      'SHOULD',
      'a Range of another unit is as none',
      async (r) => {
        const digest = await r.pushBlob('0123456789')
        await r.expect(200, 'GET', r.at(`blobs/${digest}`), { headers: { range: 'lines=0-1' } })
      },
      'it answers 416 to a unit that it does not know',
    ],
    [
      'SHOULD',
      'If-Range of something else makes Range count for nothing',
      async (r) => {
        const digest = await r.pushBlob('0123456789')
        const headers = { range: 'bytes=0-3', 'if-range': '"other"' }
        await r.expect(200, 'GET', r.at(`blobs/${digest}`), { headers })
      },
    ],
  ]),
  ...section('Checking if content exists in the registry', [
    [
      'MUST',
      'HEAD of a manifest answers 200 with its digest and its size, without a body',
      async (r) => {
        const { text, digest } = await r.pushImage('1.0')
        for (const reference of ['1.0', digest]) {
          const answer = await r.expect(200, 'HEAD', r.at(`manifests/${reference}`), { headers: ACCEPT })
          expect(answer.headers.get('docker-content-digest')).toBe(digest)
          expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)))
          expect(answer.bytes).toHaveLength(0)
        }
      },
    ],
    [
      'MUST',
      'HEAD of a blob answers 200 with its digest and its size',
      async (r) => {
        const digest = await r.pushBlob('0123456789')
        const { headers } = await r.expect(200, 'HEAD', r.at(`blobs/${digest}`))
        expect(headers.get('docker-content-digest')).toBe(digest)
        expect(headers.get('content-length')).toBe('10')
      },
    ],
    [
      'MUST',
      'HEAD of what is not there is 404',
      async (r) => {
        await r.pushImage('1.0')
        for (const path of ['manifests/none', `manifests/${UNKNOWN}`, `blobs/${UNKNOWN}`]) {
          await r.expect(404, 'HEAD', r.at(path))
        }
      },
    ],
    [
      'MUST',
      'a blob of another repository is not in this one',
      async (r) => {
        const digest = await r.pushBlob('0123456789', { name: r.other })
        await r.expect(404, 'HEAD', r.at(`blobs/${digest}`))
      },
    ],
  ]),
  ...section('Registry Proxying', [
    [
      'MAY',
      'a query parameter ns changes nothing for a registry that is no proxy',
      async (r) => {
        const { digest } = await r.pushImage('1.0')
        const path = `${r.at(`manifests/${digest}`)}?ns=registry.example.test`
        const { headers } = await r.expect(200, 'GET', path, { headers: ACCEPT })
        expect(headers.get('oci-namespace')).toBeNull()
      },
    ],
  ]),
  ...section('Content types that a registry is agnostic of', [
    [
      'MUST',
      'an index comes back as it was pushed, with its type',
      async (r) => {
        const { descriptor } = await r.pushImage()
        const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [descriptor] })
        expect((await r.putManifest('1.0', index, { mediaType: OCI_INDEX })).status).toBe(201)
        const answer = await r.expect(200, 'GET', r.at('manifests/1.0'), { headers: ACCEPT })
        expect(jsonOf(answer)).toEqual(JSON.parse(index))
        expect(answer.headers.get('content-type')).toBe(OCI_INDEX)
        expect(descriptorOf(OCI_INDEX, answer.bytes).digest).toBe(digestOf(index))
      },
    ],
  ]),
]
