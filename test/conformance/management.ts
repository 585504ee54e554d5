import { expect } from 'vitest'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { codesOf, digestOf, someBytes } from './registry.ts'
import { section } from './rules.ts'

const ACCEPT = { headers: { accept: `${OCI_MANIFEST}, ${OCI_INDEX}` } }
const UNKNOWN = `sha256:${'0'.repeat(64)}`
const BY_DIGEST_ONLY = 'it deletes manifests by digest only'

export const MANAGEMENT = [
  ...section('Deleting tags', [
    [
      'MUST',
      'DELETE of a tag answers 202; then it is 404, and the manifest and its other tags stay',
      async (r) => {
        const { text, digest } = await r.pushImage('1.0')
        await r.putManifest('2.0', text)
        await r.expect(202, 'DELETE', r.at('manifests/1.0'))
        await r.expect(404, 'GET', r.at('manifests/1.0'), ACCEPT)
        await r.expect(404, 'HEAD', r.at('manifests/1.0'), ACCEPT)
        for (const reference of ['2.0', digest])
          await r.expect(200, 'GET', r.at(`manifests/${reference}`), ACCEPT)
        expect((await r.tags()).tags).toEqual(['2.0'])
      },
      BY_DIGEST_ONLY,
    ],
    [
      'MUST',
      'the last tag may go too: the list is empty then, and the manifest stays',
      async (r) => {
        const { digest } = await r.pushImage('1.0')
        await r.expect(202, 'DELETE', r.at('manifests/1.0'))
        expect((await r.tags()).tags).toEqual([])
        await r.expect(200, 'GET', r.at(`manifests/${digest}`), ACCEPT)
      },
      BY_DIGEST_ONLY,
    ],
    [
      'MUST',
      'a tag that is not there is 404',
      async (r) => {
        await r.pushImage('1.0')
        expect(codesOf(await r.expect(404, 'DELETE', r.at('manifests/none')))).toEqual(['MANIFEST_UNKNOWN'])
      },
      BY_DIGEST_ONLY,
    ],
  ]),
  ...section('Deleting Manifests', [
    [
      'MUST',
      'DELETE by digest answers 202; then it and all its tags are 404, at once, and other manifests stay',
      async (r) => {
        const { text, digest } = await r.pushImage('1.0')
        await r.putManifest('2.0', text)
        const other = await r.pushImage('3.0')
        await r.expect(202, 'DELETE', r.at(`manifests/${digest}`))
        for (const reference of ['1.0', '2.0', digest]) {
          for (const method of ['GET', 'HEAD'])
            await r.expect(404, method, r.at(`manifests/${reference}`), ACCEPT)
        }
        expect((await r.tags()).tags).toEqual(['3.0'])
        await r.expect(200, 'GET', r.at(`manifests/${other.digest}`), ACCEPT)
        for (const { digest: blob } of other.manifest.layers)
          await r.expect(200, 'GET', r.at(`blobs/${blob}`))
      },
    ],
    [
      'MUST',
      'a manifest, and a repository, that is not there is 404',
      async (r) => {
        await r.pushImage('1.0')
        await r.expect(404, 'DELETE', r.at(`manifests/${UNKNOWN}`))
        await r.expect(404, 'DELETE', r.at(`manifests/${UNKNOWN}`, `${r.name}/never`))
      },
    ],
    [
      'MUST',
      'an index is deleted, and what it lists stays',
      async (r) => {
        const { descriptor, digest } = await r.pushImage()
        const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [descriptor] }
        await r.putManifest('1.0', index)
        await r.expect(202, 'DELETE', r.at(`manifests/${digestOf(JSON.stringify(index))}`))
        await r.expect(404, 'GET', r.at('manifests/1.0'), ACCEPT)
        await r.expect(200, 'GET', r.at(`manifests/${digest}`), ACCEPT)
      },
    ],
    [
      'MUST',
      'what was deleted may be pushed again',
      async (r) => {
        const { text, digest } = await r.pushImage('1.0')
        await r.expect(202, 'DELETE', r.at(`manifests/${digest}`))
        expect((await r.putManifest('1.0', text)).status).toBe(201)
        await r.expect(200, 'GET', r.at('manifests/1.0'), ACCEPT)
      },
    ],
    [
      'SHOULD',
      'a subject may be deleted while it has referrers',
      async (r) => {
        const { descriptor, digest } = await r.pushImage('1.0')
        const referrer = await r.pushReferrer(descriptor)
        await r.expect(202, 'DELETE', r.at(`manifests/${digest}`))
        await r.expect(200, 'GET', r.at(`manifests/${referrer.digest}`), ACCEPT)
      },
    ],
  ]),
  ...section('Deleting Blobs', [
    [
      'MUST',
      'DELETE answers 202; then the blob is 404, at once',
      async (r) => {
        const digest = await r.pushBlob(someBytes())
        await r.expect(202, 'DELETE', r.at(`blobs/${digest}`))
        for (const method of ['GET', 'HEAD']) await r.expect(404, method, r.at(`blobs/${digest}`))
      },
    ],
    [
      'MUST',
      'a blob that is not there is 404, also the second time',
      async (r) => {
        const digest = await r.pushBlob(someBytes())
        await r.expect(202, 'DELETE', r.at(`blobs/${digest}`))
        for (const gone of [digest, UNKNOWN]) {
          expect(codesOf(await r.expect(404, 'DELETE', r.at(`blobs/${gone}`)))).toEqual(['BLOB_UNKNOWN'])
        }
      },
    ],
    [
      'MUST',
      'the same blob in another repository stays',
      async (r) => {
        const bytes = someBytes()
        const digest = await r.pushBlob(bytes)
        await r.pushBlob(bytes, { name: r.other })
        await r.expect(202, 'DELETE', r.at(`blobs/${digest}`))
        await r.expect(200, 'GET', r.at(`blobs/${digest}`, r.other))
      },
    ],
    [
      'SHOULD',
      'a deleted blob may be pushed again',
      async (r) => {
        const bytes = someBytes()
        const digest = await r.pushBlob(bytes)
        await r.expect(202, 'DELETE', r.at(`blobs/${digest}`))
        await r.pushBlob(bytes)
        expect((await r.expect(200, 'GET', r.at(`blobs/${digest}`))).bytes.equals(bytes)).toBe(true)
      },
    ],
    [
      'SHOULD',
      'what is no digest is refused',
      (r) => r.expect([400, 404], 'DELETE', r.at('blobs/sha256:123')),
    ],
  ]),
  ...section('API', [
    [
      'SHOULD',
      'a method that an endpoint does not have is 405 with Allow (RFC 9110)',
      async (r) => {
        const answer = await r.expect(405, 'PATCH', r.at('tags/list'))
        expect(answer.headers.get('allow')).toContain('GET')
      },
    ],
    [
      'MUST',
      'Warning headers are none, or at most 4096 bytes of code 299',
      async (r) => {
        await r.pushImage('1.0')
        const { headers } = await r.expect(200, 'GET', r.at('manifests/1.0'), ACCEPT)
        expect(headers.get('warning')).toBeNull()
      },
    ],
  ]),
]
