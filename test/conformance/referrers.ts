import { expect } from 'vitest'
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { descriptorOf, digestOf, follow, jsonOf } from './registry.ts'
import { type RuleRow, section } from './rules.ts'

const ACCEPT = { accept: `${OCI_MANIFEST}, ${OCI_INDEX}` }
const NO_REFERRERS = 'it has no referrers API'
/** More than any page holds: the specification gives no number, a manifest's 4 MiB do. */
const MANY = 1_100

const manifestsOf = (body: unknown) => (body as { manifests: { digest: string }[] }).manifests

export const REFERRERS = [
  ...section('Listing Referrers', [
    [
      'MUST',
      '200 with an index, of that type, also before there is any referrer, subject or repository',
      async (r) => {
        for (const name of [r.name, `${r.name}/never`]) {
          const answer = await r.expect(200, 'GET', r.at(`referrers/${digestOf('none')}`, name))
          expect(answer.headers.get('content-type')).toBe(OCI_INDEX)
          expect(jsonOf(answer)).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
        }
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      'what is no digest is 400',
      async (r) => {
        await r.pushBlob('a')
        for (const bad of ['latest', 'sha256:1', 'md5:abc'])
          await r.expect(400, 'GET', r.at(`referrers/${bad}`))
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      "descriptors have type, size, digest, the manifest's own artifactType, and its annotations",
      async (r) => {
        const { descriptor: subject, digest } = await r.pushImage('1.0')
        const own = { artifactType: 'application/vnd.example.sbom', annotations: { 'org.example': 'yes' } }
        const referrer = await r.pushReferrer(subject, own)
        expect((await r.referrers(digest)).manifests).toEqual([{ ...referrer.descriptor, ...own }])
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      "without an artifactType, or with an empty one, it is the config's type",
      async (r) => {
        const { descriptor: subject, digest } = await r.pushImage('1.0')
        await r.pushReferrer(subject)
        await r.pushReferrer(subject, { artifactType: '' })
        const types = (await r.referrers(digest)).manifests.map(({ artifactType }) => artifactType)
        expect(types).toEqual([OCI_EMPTY, OCI_EMPTY])
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      'an index refers too; without an artifactType its descriptor has none',
      async (r) => {
        const { descriptor: subject, digest } = await r.pushImage('1.0')
        for (const more of [{}, { artifactType: 'application/vnd.example.list' }]) {
          const text = JSON.stringify({
            schemaVersion: 2,
            mediaType: OCI_INDEX,
            manifests: [],
            subject,
            ...more,
          })
          await r.putManifest(digestOf(text), text, { mediaType: OCI_INDEX })
        }
        const { manifests } = await r.referrers(digest)
        expect(manifests.map((each) => each['mediaType'])).toEqual([OCI_INDEX, OCI_INDEX])
        expect(manifests.filter((each) => 'artifactType' in each)).toHaveLength(1)
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      'a subject that comes later, or never, has its referrers from the first moment',
      async (r) => {
        const image = await r.makeImage()
        const { descriptor } = await r.pushReferrer(image.descriptor)
        const digests = async () => (await r.referrers(image.digest)).manifests.map(({ digest }) => digest)
        expect(await digests()).toEqual([descriptor.digest])
        await r.putManifest('1.0', image.text)
        expect(await digests()).toEqual([descriptor.digest])
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      'a subject by its sha512 digest',
      async (r) => {
        const { text } = await r.makeImage()
        const subject = descriptorOf(OCI_MANIFEST, text, 'sha512')
        expect((await r.putManifest(subject.digest, text)).status).toBe(201)
        const { digest } = await r.pushReferrer(subject)
        expect((await r.referrers(subject.digest)).manifests.map((each) => each['digest'])).toEqual([digest])
      },
      NO_REFERRERS,
    ],
    [
      'SHOULD',
      'artifactType filters, and OCI-Filters-Applied says so, also when nothing is left',
      async (r) => {
        const { descriptor: subject, digest } = await r.pushImage('1.0')
        const wanted = await r.pushReferrer(subject, { artifactType: 'application/vnd.example.a+json' })
        await r.pushReferrer(subject, { artifactType: 'application/vnd.example.b' })
        const query = (type: string) => `?artifactType=${encodeURIComponent(type)}`
        const some = await r.referrers(digest, query('application/vnd.example.a+json'))
        expect(some.manifests.map((each) => each['digest'])).toEqual([wanted.digest])
        const none = await r.referrers(digest, query('application/vnd.example.c'))
        expect(none.manifests).toEqual([])
        for (const { headers } of [some, none])
          expect(headers.get('oci-filters-applied')).toBe('artifactType')
        expect((await r.referrers(digest)).headers.get('oci-filters-applied')).toBeNull()
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      'a list that does not fit one answer goes on at Link rel="next", each referrer once, filtered or not',
      async (r) => {
        const { descriptor: subject, digest } = await r.pushImage('1.0')
        await r.pushReferrer(subject)
        await r.referrers(digest)
        const config = descriptorOf(OCI_EMPTY, '{}')
        const pushed = Array.from({ length: MANY }, (_, i) => {
          const annotations = { number: String(i) }
          const artifactType = 'application/vnd.example.many'
          const common = { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType }
          return JSON.stringify({ ...common, config, layers: [config], subject, annotations })
        })
        for (let i = 0; i < MANY; i += 50) {
          const answers = pushed.slice(i, i + 50).map((text) => r.putManifest(digestOf(text), text))
          for (const { status } of await Promise.all(answers)) expect(status).toBe(201)
        }
        const path = r.at(`referrers/${digest}`)
        const filter = `?artifactType=${encodeURIComponent('application/vnd.example.many')}`
        for (const [query, count] of [
          ['', MANY + 1],
          [filter, MANY],
        ] as const) {
          const pages = await follow(r, path + query, manifestsOf)
          expect(new Set(pages.flat().map((each) => each.digest)).size).toBe(count)
          expect(pages.flat()).toHaveLength(count)
        }
      },
      NO_REFERRERS,
    ],
    [
      'MUST',
      'a referrer that is deleted is no longer listed',
      async (r) => {
        const { descriptor: subject, digest } = await r.pushImage('1.0')
        const referrer = await r.pushReferrer(subject)
        await r.expect(202, 'DELETE', r.at(`manifests/${referrer.digest}`))
        expect((await r.referrers(digest)).manifests).toEqual([])
      },
      NO_REFERRERS,
    ],
  ]),
  ...section('Referrers Tag Schema', [
    ...(['sha256', 'sha512'] as const).map(
      (algorithm): RuleRow => [
        'MUST',
        `the index that an older client keeps under the fallback tag of a ${algorithm} digest is a tag like any other`,
        async (r) => {
          const { text } = await r.pushImage('1.0')
          const digest = digestOf(text, algorithm)
          const tag = digest.replace(':', '-').slice(0, algorithm.length + 1 + 64)
          const { descriptor } = await r.pushImage()
          for (const manifests of [[], [descriptor]]) {
            const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
            expect((await r.putManifest(tag, index, { mediaType: OCI_INDEX })).status).toBe(201)
            const answer = await r.expect(200, 'GET', r.at(`manifests/${tag}`), { headers: ACCEPT })
            expect(answer.bytes.toString()).toBe(index)
          }
          expect((await r.tags()).tags).toContain(tag)
          await r.expect(202, 'DELETE', r.at(`manifests/${tag}`))
          await r.expect(404, 'GET', r.at(`manifests/${tag}`))
        },
        'it deletes manifests by digest only',
      ],
    ),
  ]),
  ...section('Enabling the Referrers API', [
    [
      'MUST',
      'what a fallback index lists and names the subject itself is among the referrers, once',
      async (r) => {
        const { descriptor: subject, digest } = await r.pushImage('1.0')
        const referrer = await r.pushReferrer(subject)
        const manifests = [referrer.descriptor]
        const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests }
        await r.putManifest(digest.replace(':', '-'), index)
        expect((await r.referrers(digest)).manifests.map((each) => each['digest'])).toEqual([referrer.digest])
      },
      NO_REFERRERS,
    ],
  ]),
]
