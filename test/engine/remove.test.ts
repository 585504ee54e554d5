import { expect, test } from 'vitest'
import { json, scriptedEngine } from './scripted-engine.ts'

const ID = `sha256:${'a'.repeat(64)}`

test('a removal is never forced, and says what went', async () => {
  const { engine, requests } = await scriptedEngine({
    answers: {
      'DELETE /images/app:1': json([
        { Untagged: 'docker.io/library/app:1' },
        { Untagged: `docker.io/library/app@${ID}` },
        { Deleted: ID },
        { Deleted: 'b'.repeat(64) },
      ]),
    },
  })
  expect(await engine.removeImage('app:1', { parents: false })).toEqual({
    untagged: ['app:1', `app@${ID}`],
    deleted: [ID, `sha256:${'b'.repeat(64)}`],
  })
  await engine.removeImage('app:1', { parents: true })
  expect(requests.slice(1)).toEqual([
    'DELETE /v1.41/images/app:1?force=false&noprune=true',
    'DELETE /v1.41/images/app:1?force=false&noprune=false',
  ])
})

test.each([
  [
    409,
    'conflict: unable to delete a1 (must be forced) - image is being used by stopped container c1',
    'CONFLICT',
  ],
  [404, 'No such image: app:1', 'IMAGE_NOT_FOUND'],
  [500, 'something broke', 'ENGINE_ERROR'],
])('%i %s is %s', async (status, message, code) => {
  const { engine } = await scriptedEngine({ answers: { 'DELETE /images/app:1': json({ message }, status) } })
  await expect(engine.removeImage('app:1', { parents: true })).rejects.toMatchObject({ code })
})

test.each(['../containers/c1', 'a?force=true', 'app:1#', ''])('%j is not removed', async (name) => {
  const { engine, requests } = await scriptedEngine()
  await expect(engine.removeImage(name, { parents: true })).rejects.toMatchObject({ code: 'NAME_INVALID' })
  expect(requests).toEqual(['GET /_ping'])
})

test.each<[target: string, query: string]>([
  ['app', 'repo=app&tag=latest'],
  ['docker.io/library/app:1', 'repo=app&tag=1'],
  ['r.example:5000/team/app:1', 'repo=r.example%3A5000%2Fteam%2Fapp&tag=1'],
])('an image is named %s', async (target, query) => {
  const { engine, requests } = await scriptedEngine({
    answers: {
      'GET /images/src:1/json': json({ Id: ID }),
      'POST /images/src:1/tag': (_request, response) => void response.writeHead(201).end(),
    },
  })
  await engine.nameImage('src:1', target)
  expect(requests.at(-1)).toBe(`POST /v1.41/images/src:1/tag?${query}`)
})

test('a name that the engine does not take is a wrong name', async () => {
  const message = 'invalid reference format: repository name must be lowercase'
  const { engine } = await scriptedEngine({
    answers: { 'GET /images/src:1/json': json({ Id: ID }), 'POST /images/src:1/tag': json({ message }, 400) },
  })
  await expect(engine.nameImage('src:1', 'LI/app')).rejects.toMatchObject({ code: 'NAME_INVALID' })
})
