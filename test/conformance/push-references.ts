import { expect } from 'vitest'
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from '../../src/oci/media-types.ts'
import { codesOf, digestOf } from './registry.ts'
import { section } from './rules.ts'

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST].join(', ')
const ABSENT = { mediaType: OCI_MANIFEST, digest: `sha256:${'a'.repeat(64)}`, size: 100 }
;('it refuses a config that it does not know the type of, as written before the specification 1.1')

const index = (manifests: readonly object[], more: object = {}) => ({
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests,
  ...more,
})

/** What a manifest refers to, which may be missing. */
export const PUSH_REFERENCES = [
  ...section('Push', [
    [
      'MUST',
      'a subject that is not there is taken; it may come later',
      async (r) => {
        const image = await r.makeImage()
        const { digest } = await r.pushReferrer(image.descriptor)
        expect((await r.putManifest('1.0', image.text)).status).toBe(201)
        await r.expect(200, 'GET', r.at(`manifests/${digest}`), { headers: { accept: ACCEPT } })
      },
    ],
    [
      'MUST',
      'a manifest that is refused for its missing blobs has a MANIFEST_BLOB_UNKNOWN for each',
      async (r) => {
        const { manifest } = await r.makeImage()
        const other = { ...ABSENT, mediaType: OCI_LAYER_GZIP }
        const another = { ...other, digest: `sha256:${'b'.repeat(64)}` }
        const answer = await r.putManifest('1.0', { ...manifest, layers: [other, another] })
        expect(answer.status).toBeGreaterThanOrEqual(400)
        expect(codesOf(answer)).toEqual(['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN'])
        await r.expect(404, 'GET', r.at('manifests/1.0'))
      },
    ],
    [
      'MUST',
      'an index that is refused for its missing manifests has MANIFEST_BLOB_UNKNOWN',
      async (r) => {
        const { descriptor } = await r.pushImage()
        const answer = await r.putManifest('1.0', index([descriptor, ABSENT]))
        expect(answer.status).toBeGreaterThanOrEqual(400)
        expect(codesOf(answer)).toEqual(['MANIFEST_BLOB_UNKNOWN'])
      },
    ],
  ]),
  ...section('Pushing Manifests with Subject', [
    [
      'MUST',
      'OCI-Subject says that the subject of a manifest was seen',
      async (r) => {
        const image = await r.pushImage('1.0')
        const { answer } = await r.pushReferrer(image.descriptor)
        expect(answer.headers.get('oci-subject')).toBe(image.digest)
        expect(image.answer.headers.get('oci-subject')).toBeNull()
      },
      'it has no referrers API',
    ],
    [
      'MUST',
      'OCI-Subject says so of an index too',
      async (r) => {
        const image = await r.pushImage('1.0')
        const text = JSON.stringify(index([], { subject: image.descriptor }))
        const answer = await r.putManifest(digestOf(text), text, { mediaType: OCI_INDEX })
        expect(answer.headers.get('oci-subject')).toBe(image.digest)
      },
      'it has no referrers API',
    ],
    [
      'MUST',
      'a subject that is no descriptor is refused',
      async (r) => {
        const { manifest } = await r.makeImage()
        const answer = await r.putManifest('1.0', { ...manifest, subject: { digest: 'sha256:1' } })
        expect([answer.status, codesOf(answer)]).toEqual([400, ['MANIFEST_INVALID']])
      },
      'it does not look at subject',
    ],
  ]),
]
