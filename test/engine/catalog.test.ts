import { describe, expect, test } from 'vitest'
import type { ImgctlError } from '../../src/errors/error.ts'
import type { Engine } from '../../src/ports/engine.ts'
import { json, scriptedEngine } from './scripted-engine.ts'

const ID = `sha256:${'a'.repeat(64)}`
const DIGEST = `sha256:${'d'.repeat(64)}`

/** What Docker 20.10 (classic), Docker 28.5 (containerd) and Podman 4.3 answered for images of these kinds. */
describe('a listed image', () => {
  const listed = async (...images: unknown[]) => {
    const { engine } = await scriptedEngine({ answers: { 'GET /images/json': json(images) } })
    return engine.listImages({})
  }

  test('of the classic store', async () => {
    const [image] = await listed({
      Id: ID,
      ParentId: DIGEST,
      Created: 1795223774,
      Size: 42,
      Labels: { a: 'b', c: 1 },
      RepoTags: ['li/alias:2', 'li/base:1'],
      RepoDigests: ['127.0.0.1:5000/li/app@'.concat(DIGEST)],
    })
    expect(image).toEqual({
      id: ID,
      parentId: DIGEST,
      tags: ['li/alias:2', 'li/base:1'],
      digests: [`127.0.0.1:5000/li/app@${DIGEST}`],
      createdAt: '2026-11-21T01:16:14Z',
      size: 42,
      labels: { a: 'b' },
    })
  })

  test.each([
    { RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'], ParentId: '' },
    { RepoTags: [], RepoDigests: [] },
    { RepoTags: null, RepoDigests: null, Labels: null },
  ])('without a name: %j', async (fields) => {
    expect(await listed({ Id: ID, ...fields })).toMatchObject([
      { tags: [], digests: [], parentId: undefined, labels: {} },
    ])
  })

  test("of Podman, in docker's short form", async () => {
    const [image] = await listed({
      Id: 'a'.repeat(64),
      ParentId: 'd'.repeat(64),
      RepoTags: ['docker.io/library/app:1', 'docker.io/team/app:1', 'localhost/app:1'],
      RepoDigests: [`docker.io/library/app@${DIGEST}`],
    })
    expect(image).toMatchObject({
      id: ID,
      parentId: DIGEST,
      tags: ['app:1', 'team/app:1', 'localhost/app:1'],
      digests: [`app@${DIGEST}`],
    })
  })

  test("pulled by digest into containerd's store, which calls that a tag", async () => {
    const [image] = await listed({ Id: ID, RepoTags: [`r.example/app@${DIGEST}`], RepoDigests: [DIGEST] })
    expect(image).toMatchObject({ tags: [], digests: [`r.example/app@${DIGEST}`] })
  })

  test.each([
    [-62135596800, '0001-01-01T00:00:00Z'],
    [1e300, '+275760-09-13T00:00:00Z'],
    ['soon', '1970-01-01T00:00:00Z'],
  ])('created at %j', async (Created, createdAt) => {
    expect(await listed({ Id: ID, Created })).toMatchObject([{ createdAt }])
  })

  test('comes before older ones', async () => {
    const images = await listed({ Id: ID, Created: 1 }, { Id: DIGEST, Created: 2 })
    expect(images.map(({ id }) => id)).toEqual([DIGEST, ID])
  })

  test('without an id is an error', async () => {
    await expect(listed({ Id: 'sha256:short' })).rejects.toMatchObject({ code: 'ENGINE_ERROR' })
  })
})

test('the filters go to the engine, when the images they name are there', async () => {
  const { engine, requests } = await scriptedEngine({
    answers: {
      'GET /images/app:1/json': json({ Id: ID }),
      'GET /images/json': json([]),
    },
  })
  await engine.listImages({ dangling: false, labels: ['a=b', 'c'], since: 'app:1', intermediate: true })
  const url = new URL(requests.at(-1)!.slice('GET '.length), 'http://engine')
  expect(url.searchParams.get('all')).toBe('1')
  expect(JSON.parse(url.searchParams.get('filters')!)).toEqual({
    dangling: ['false'],
    label: ['a=b', 'c'],
    since: ['app:1'],
  })
})

test('an image to compare with that is not there is not found', async () => {
  const { engine } = await scriptedEngine({
    answers: {
      'GET /images/no:1/json': json({ message: 'No such image' }, 404),
      'GET /images/json': json([]),
    },
  })
  await expect(engine.listImages({ before: 'no:1' })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
})

test('containers tell their name and image, hostile names harmlessly', async () => {
  const { engine } = await scriptedEngine({
    answers: {
      'GET /containers/json': json([
        { Id: 'c1', Names: ['/web'], ImageID: ID, State: 'running' },
        { Id: 'c'.repeat(64), Names: [], ImageID: 'a'.repeat(64), State: 'exited' },
        { Id: 'c3', Names: ['/\x1b[2J'] },
      ]),
    },
  })
  expect(await engine.containers()).toEqual([
    { id: 'c1', name: 'web', imageId: ID, running: true },
    { id: 'c'.repeat(64), name: 'c'.repeat(12), imageId: ID, running: false },
    { id: 'c3', name: '\\x1b[2J', imageId: undefined, running: false },
  ])
})

test('the bytes of all images: as Docker sums them, or each of them once', async () => {
  const docker = await scriptedEngine({
    answers: { 'GET /system/df': json({ LayersSize: 7, Images: [{ Size: 9 }] }) },
  })
  expect(await docker.engine.imageBytes()).toBe(7)
  const Images = [
    { Id: 'a', Size: 5 },
    { Id: 'a', Size: 5 },
    { Id: 'b', Size: 2 },
  ]
  const podman = await scriptedEngine({
    ping: { 'api-version': '1.41', 'libpod-api-version': '4.3.1' },
    answers: { 'GET /system/df': json({ LayersSize: 0, Images }) },
  })
  expect(await podman.engine.imageBytes()).toBe(7)
})

describe.each([
  ['measured', 'GET /system/df', { LayersSize: 7 }, 7, (engine: Engine) => engine.imageBytes()],
  ['listed with containers', 'GET /containers/json', [], [], (engine: Engine) => engine.containers()],
] as const)('what goes while it is %s', (_what, path, answer, result, ask) => {
  test.each([
    ['once', 1, result, 2],
    ['again and again', 9, 'ENGINE_ERROR', 5],
  ] as const)('%s', async (_how, failures, outcome, asked) => {
    const failed = json({ message: 'snapshot sha256:00 does not exist: not found' }, 404)
    let left: number = failures
    const { engine, requests } = await scriptedEngine({
      answers: { [path]: (...call) => (left-- > 0 ? failed : json(answer))(...call) },
    })
    expect(await ask(engine).catch(({ code }: ImgctlError) => code)).toEqual(outcome)
    expect(requests.filter((request) => request.includes(path.slice('GET '.length)))).toHaveLength(asked)
  })
})
