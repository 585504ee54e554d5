import { expect, test } from 'vitest'
import type { Image } from '../../src/contract/image.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import { type DeleteOutcome, deletePlanned, planDelete } from '../../src/operations/delete-images.ts'
import { image, notFound, pagesOf } from './images.ts'

const NEVER = new AbortController().signal
const SHARED = `sha256:${'b'.repeat(64)}`

const PRESENT = [
  image({ name: 'app:1' }),
  image({ name: 'app:2', digest: SHARED }),
  image({ name: 'app:3', digest: SHARED }),
  image({ name: 'base:1', digest: null, general: true }),
  image({ name: 'old:1', digest: null, state: 'removing' }),
]

function serverWith(images: Image[]) {
  return {
    ...pagesOf(images, 2),
    image: async (nameOrId: string) => {
      const found = images.find(({ id, name }) => id === nameOrId || name === nameOrId)
      if (found) return found
      throw notFound()
    },
  }
}

test('the plan names each image once, and who else keeps its content', async () => {
  const plan = await planDelete(serverWith(PRESENT), ['app:2', 'id-app:2', 'app:1'], NEVER)
  expect(plan.images.map(({ name, sharedWith }) => [name, sharedWith])).toEqual([
    ['app:2', ['app:3']],
    ['app:1', []],
  ])
  expect(plan.skipped).toEqual([])
})

test('names in the plan do not keep each other', async () => {
  const plan = await planDelete(serverWith(PRESENT), ['app:2', 'app:3'], NEVER)
  expect(plan.images.map(({ sharedWith }) => sharedWith)).toEqual([[], []])
})

test('images without a digest share nothing', async () => {
  const unfinished = [image({ name: 'a:1', digest: null }), image({ name: 'b:1', digest: null })]
  const plan = await planDelete(serverWith(unfinished), ['a:1'], NEVER)
  expect(plan.images[0]).toMatchObject({ digest: null, sharedWith: [] })
})

test("all leaves out the server's general images and those on their way out, and says so", async () => {
  const plan = await planDelete(serverWith(PRESENT), 'all', NEVER)
  expect(plan.images.map(({ name }) => name)).toEqual(['app:1', 'app:2', 'app:3'])
  expect(plan.skipped).toEqual(['base:1', 'old:1'])
})

test('one missing name fails the whole plan and names all that are missing', async () => {
  await expect(planDelete(serverWith(PRESENT), ['app:1', 'x:1', 'y:1'], NEVER)).rejects.toMatchObject({
    code: 'IMAGE_NOT_FOUND',
    message: expect.stringMatching(/there is no image "x:1", "y:1" \(nothing was deleted\)/),
  })
})

async function run(fail: Readonly<Record<string, Error>>) {
  const { images } = await planDelete(serverWith(PRESENT), ['app:1', 'app:2', 'app:3'], NEVER)
  const asked: [string, string | undefined][] = []
  const server = {
    deleteImage: async (id: string, ifMatch: string | undefined) => {
      asked.push([id, ifMatch])
      if (fail[id]) throw fail[id]
      return { freedBytes: 10, heldBy: [] }
    },
  }
  const outcomes: DeleteOutcome[] = []
  for await (const outcome of deletePlanned(server, images, NEVER)) outcomes.push(outcome)
  return { asked, outcomes }
}

test('exactly the planned digests are deleted', async () => {
  const { asked } = await run({})
  expect(asked).toEqual([
    ['id-app:1', PRESENT[0]!.digest],
    ['id-app:2', SHARED],
    ['id-app:3', SHARED],
  ])
})

test('one that changed since is left, and the others go', async () => {
  const changed = new ImgctlError('PRECONDITION_FAILED', 'changed')
  const { outcomes } = await run({ 'id-app:2': changed })
  expect(outcomes.map(({ freedBytes, error }) => [freedBytes, error])).toEqual([
    [10, undefined],
    [0, changed],
    [10, undefined],
  ])
})

test('a bug is not an outcome', async () => {
  await expect(run({ 'id-app:2': new TypeError('bug') })).rejects.toThrow('bug')
})

test('nothing more is deleted after an abort', async () => {
  const { images } = await planDelete(serverWith(PRESENT), ['app:1', 'app:2'], NEVER)
  const controller = new AbortController()
  const asked: string[] = []
  const server = {
    deleteImage: async (id: string): Promise<never> => {
      asked.push(id)
      controller.abort(new ImgctlError('INTERRUPTED', 'interrupted'))
      throw new ImgctlError('SERVER_UNREACHABLE', 'cut')
    },
  }
  const all = async () => {
    for await (const _ of deletePlanned(server, images, controller.signal));
  }
  await expect(all()).rejects.toMatchObject({ code: 'INTERRUPTED' })
  expect(asked).toHaveLength(1)
})
