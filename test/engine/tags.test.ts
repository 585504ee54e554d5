import { describe, expect, test } from 'vitest'
import { type Answer, json, scriptedEngine } from './scripted-engine.ts'

const ID = `sha256:${'a'.repeat(64)}`
const TARGET = '127.0.0.1:5000/default/app:_imgctl-1'
const UNTAG = `DELETE /images/${TARGET}`

describe('tagging', () => {
  test('gives the image one more name', async () => {
    const { engine, requests } = await scriptedEngine({
      answers: {
        'GET /images/app:1/json': json({ Id: ID, RepoTags: ['app:1'] }),
        'POST /images/app:1/tag': json('', 201),
      },
    })
    await engine.tagImage('app:1', TARGET)
    expect(requests.at(-1)).toBe(
      'POST /v1.41/images/app:1/tag?repo=127.0.0.1%3A5000%2Fdefault%2Fapp&tag=_imgctl-1',
    )
  })

  test.each([[null], [[]], [['<none>:<none>']]])('refuses an image with the tags %j', async (RepoTags) => {
    const { engine } = await scriptedEngine({
      answers: { [`GET /images/${ID}/json`]: json({ Id: ID, RepoTags }) },
    })
    await expect(engine.tagImage(ID, TARGET)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  test('does not ask for tags that are known, and looks at them', async () => {
    const { engine, requests } = await scriptedEngine({
      answers: { 'POST /images/app:1/tag': json('', 201) },
    })
    await engine.tagImage('app:1', TARGET, undefined, ['app:1'])
    expect(requests.filter((call) => call.includes('/images/'))).toHaveLength(1)
    await expect(engine.tagImage(ID, TARGET, undefined, [])).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(requests.filter((call) => call.includes('/images/'))).toHaveLength(1)
  })
})

describe('the image of a name', () => {
  test('is told by its id; of none nothing else is asked', async () => {
    const { engine, requests } = await scriptedEngine({
      answers: {
        'GET /images/app:1/json': json({ Id: ID }),
        'GET /images/none:1/json': json({ message: 'no such image' }, 404),
      },
    })
    expect(await engine.imageId('app:1')).toBe(ID)
    expect(await engine.imageId('none:1')).toBeUndefined()
    expect(requests.filter((call) => call.includes('/images/'))).toHaveLength(2)
  })
})

describe('untagging', () => {
  test('is not forced and leaves parents', async () => {
    const { engine, requests } = await scriptedEngine({ answers: { [UNTAG]: json([{ Untagged: TARGET }]) } })
    await engine.untagImage(TARGET)
    expect(requests.at(-1)).toBe(`DELETE /v1.41/images/${TARGET}?force=false&noprune=true`)
  })

  test('does nothing when the tag is gone', async () => {
    const { engine } = await scriptedEngine({ answers: { [UNTAG]: json({ message: 'gone' }, 404) } })
    await expect(engine.untagImage(TARGET)).resolves.toBeUndefined()
  })

  test('says when the engine refuses', async () => {
    const answers = { [UNTAG]: json({ message: 'a container uses it' }, 409) }
    const { engine } = await scriptedEngine({ answers })
    await expect(engine.untagImage(TARGET)).rejects.toMatchObject({ code: 'ENGINE_ERROR', status: 409 })
  })
})

test('tags are listed by the start of their tag part', async () => {
  const list = [
    { RepoTags: [TARGET, 'app:1'] },
    { RepoTags: null },
    { RepoTags: ['_imgctl-/x:1', '<none>:<none>', 'localhost:1/y:_imgctl-2', 'z:imgctl-'] },
  ]
  const { engine } = await scriptedEngine({ answers: { 'GET /images/json': json(list) } })
  expect(await engine.listTags('_imgctl-')).toEqual([TARGET, 'localhost:1/y:_imgctl-2'])
})

test.each([404, 500])(
  'a list that an image was removed from meanwhile (%i) is made again',
  async (status) => {
    let calls = 0
    const answer: Answer = (request, response) =>
      (++calls < 3 ? json({ message: 'not found' }, status) : json([{ RepoTags: [TARGET] }]))(
        request,
        response,
      )
    const { engine } = await scriptedEngine({ answers: { 'GET /images/json': answer } })
    expect(await engine.listTags('_imgctl-')).toEqual([TARGET])
    expect(calls).toBe(3)
  },
)
