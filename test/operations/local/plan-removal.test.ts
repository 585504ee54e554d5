import { describe, expect, test } from 'vitest'
import { planRemoval } from '../../../src/operations/local/plan-removal.ts'
import { container, engineWith, id, listed, SIGNAL } from './listed.ts'

const TWO = listed('a', { tags: ['app:1', 'app:2'], digests: [`app@${id('d')}`] })
const ONE = listed('b', { tags: ['other:1'] })
const PLAIN = listed('c')
const engine = engineWith([TWO, ONE, PLAIN])

async function plan(...targets: string[]) {
  const planned = await planRemoval(engine, targets, SIGNAL)
  return planned.map(({ id, names, unasked, isWhole, isLast }) => ({ id, names, unasked, isWhole, isLast }))
}

describe('a removal', () => {
  test('by a tag takes this tag; the image stays while it has another', async () => {
    expect(await plan('app:1')).toEqual([
      { id: id('a'), names: ['app:1'], unasked: [], isWhole: false, isLast: false },
    ])
  })

  test('by its last tag takes the image too', async () => {
    expect(await plan('other:1')).toMatchObject([{ names: ['other:1'], unasked: [], isLast: true }])
    expect(await plan('app:1', 'app:2')).toMatchObject([
      { names: ['app:1', 'app:2'], unasked: [], isLast: true },
    ])
  })

  test('by the id of an image with several tags takes what nobody named', async () => {
    expect(await plan(id('a'))).toEqual([
      { id: id('a'), names: ['app:1', 'app:2'], unasked: ['app:1', 'app:2'], isWhole: true, isLast: true },
    ])
    expect(await plan('aaaaaaaaaaaa', 'app:2')).toMatchObject([{ unasked: ['app:1'], isWhole: true }])
  })

  test('by the id of an image with one tag or none is as docker has it', async () => {
    expect(await plan(id('b'))).toMatchObject([{ names: ['other:1'], unasked: [], isWhole: true }])
    expect(await plan('cccccccccccc')).toMatchObject([{ names: [], unasked: [], isLast: true }])
  })

  test('by a digest takes the tags of the repository only where the engine does', async () => {
    const image = [listed('a', { tags: ['app:1', 'x:1'], digests: [`app@${id('d')}`] })]
    const target = [`app@${id('d')}`]
    const classic = await planRemoval(engineWith(image), target, SIGNAL)
    expect(classic).toMatchObject([{ names: target, unasked: [], isLast: false }])
    const containerd = await planRemoval(engineWith(image, [], 'containerd'), target, SIGNAL)
    expect(containerd).toMatchObject([{ names: ['app:1', ...target], unasked: ['app:1'], isLast: false }])
  })

  test('twice of the same is once', async () => {
    expect(await plan('other:1', 'other:1', id('b'))).toHaveLength(1)
  })

  test("by a short name finds Podman's own", async () => {
    const podman = engineWith([listed('a', { tags: ['localhost/app:latest', 'x:1'] })])
    expect(await planRemoval(podman, ['app'], SIGNAL)).toMatchObject([
      { names: ['localhost/app:latest'], isLast: false },
    ])
  })
})

test('nothing is planned when one is missing, and each missing one is named', async () => {
  await expect(plan('other:1', 'no:1', 'no:2')).rejects.toMatchObject({
    code: 'IMAGE_NOT_FOUND',
    message: expect.stringMatching(/no:1 \(nothing was deleted\)/),
    context: [expect.stringContaining('no:2')],
  })
})

test('an image that a container uses stays, and the container is named', async () => {
  const used = engineWith([TWO, ONE], [container('web', 'b', true), container('old', 'a')])
  await expect(planRemoval(used, ['other:1'], SIGNAL)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('web (running)'),
    hint: 'remove it first: docker rm --force web',
  })
  // One of two tags may go: the image stays.
  expect(await planRemoval(used, ['app:1'], SIGNAL)).toMatchObject([{ isLast: false }])
})
