import { expect } from 'vitest'
import { codesOf, follow, type Registry } from './registry.ts'
import { type RuleRow, section } from './rules.ts'

const TAGS = ['0', '1.0', 'A', 'Z', '_', 'a', 'b-1', 'b.1', 'latest']
const NO_PAGES = 'it does not page'
const NO_ORDER = 'it lists tags in the order that its folder has them'

/** One image under all of TAGS, pushed in another order than the list's. */
async function pushTags(r: Registry): Promise<void> {
  const { text } = await r.makeImage()
  for (const tag of [...TAGS].reverse()) expect((await r.putManifest(tag, text)).status).toBe(201)
}

const tagsOf = (body: unknown) => (body as { tags: string[] | null }).tags ?? []

export const DISCOVERY = [
  ...section('Listing Tags', [
    [
      'MUST',
      '200 with the name and all tags, in ASCII order, as JSON',
      async (r) => {
        await pushTags(r)
        const { name, tags, headers } = await r.tags()
        expect([name, tags]).toEqual([r.name, TAGS])
        expect(headers.get('content-type')).toMatch(/^application\/json/)
      },
      NO_ORDER,
    ],
    [
      'MUST',
      'a repository without tags has an empty list',
      async (r) => {
        await r.pushImage()
        expect((await r.tags()).tags ?? []).toEqual([])
      },
      'it answers 404 when there is no tag',
    ],
    [
      'MUST',
      'a repository that is not there is 404',
      async (r) => {
        const answer = await r.expect(404, 'GET', r.at('tags/list', `${r.name}/never`))
        expect(codesOf(answer)).toEqual(['NAME_UNKNOWN'])
      },
    ],
    [
      'MUST',
      'n=3 gives the first three',
      async (r) => {
        await pushTags(r)
        expect((await r.tags('?n=3')).tags).toEqual(TAGS.slice(0, 3))
      },
      NO_PAGES,
    ],
    [
      'MUST',
      'n=0 gives none, and no Link',
      async (r) => {
        await pushTags(r)
        const { tags, headers } = await r.tags('?n=0')
        expect([tags, headers.get('link')]).toEqual([[], null])
      },
      NO_PAGES,
    ],
    [
      'MUST',
      'n over their number gives all, and no Link',
      async (r) => {
        await pushTags(r)
        const { tags, headers } = await r.tags('?n=100')
        expect([tags, headers.get('link')]).toEqual([TAGS, null])
      },
      NO_ORDER,
    ],
    [
      'MUST',
      'last alone, and with n, gives those after it; it need not be a tag that is there',
      async (r) => {
        await pushTags(r)
        expect((await r.tags('?last=A')).tags).toEqual(TAGS.slice(3))
        expect((await r.tags('?n=2&last=A')).tags).toEqual(TAGS.slice(3, 5))
        expect((await r.tags('?n=2&last=AAA')).tags).toEqual(TAGS.slice(3, 5))
        expect((await r.tags('?last=latest')).tags).toEqual([])
      },
      NO_PAGES,
    ],
    ...[1, 2, 4, 8, 9].map(
      (n): RuleRow => [
        'MUST',
        `pages of ${n} by Link rel="next" have every tag once, and the last has no Link`,
        async (r) => {
          await pushTags(r)
          const pages = await follow(r, r.at(`tags/list?n=${n}`), tagsOf)
          expect(pages.flat()).toEqual(TAGS)
          expect(pages).toHaveLength(Math.ceil(TAGS.length / n))
        },
        n === 9 ? NO_ORDER : NO_PAGES,
      ],
    ),
    [
      'SHOULD',
      'an n that is no number is refused',
      async (r) => {
        await pushTags(r)
        for (const n of ['x', '-1', '1.5']) await r.expect(400, 'GET', r.at(`tags/list?n=${n}`))
      },
      NO_PAGES,
    ],
  ]),
]
