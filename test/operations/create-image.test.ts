import { expect, test } from 'vitest'
import type { CreateImage, Image } from '../../src/contract/image.ts'
import { createImage } from '../../src/operations/create-image.ts'
import { image } from './images.ts'

const NEVER = new AbortController().signal

async function create(
  reference: string,
  name?: string,
  answer: Image = image(),
  waitMs: number | undefined = undefined,
) {
  const sent: CreateImage[] = []
  const states: string[] = []
  const server = {
    createImage: async (body: CreateImage) => {
      sent.push(body)
      return answer
    },
    image: async () => image(),
  }
  const request = { reference, name, record: { labels: { a: '1' } }, waitMs }
  const result = createImage(server, request, ({ state }) => states.push(state), NEVER)
  return { result: await result.catch((error: unknown) => error), sent, states }
}

test.each<[string, string | undefined, string, string]>([
  ['debian:12.9', undefined, 'debian:12.9', 'docker.io/library/debian:12.9'],
  [
    'registry.example/team/app:1.0',
    undefined,
    'registry.example/team/app:1.0',
    'registry.example/team/app:1.0',
  ],
  ['localhost:5000/app:1.0', undefined, 'app:1.0', 'localhost:5000/app:1.0'],
  ['debian:latest', 'debian:12', 'debian:12', 'docker.io/library/debian:latest'],
  ['debian', 'debian:12', 'debian:12', 'docker.io/library/debian'],
])('%s as %s asks for %s from %s', async (reference, name, asked, upstream) => {
  const { sent } = await create(reference, name)
  expect(sent).toEqual([
    { name: asked, source: { kind: 'registry', reference: upstream }, labels: { a: '1' } },
  ])
})

test.each<[string, string | undefined]>([
  ['debian', undefined],
  ['debian:latest', undefined],
  ['Debian:12', undefined],
  ['debian:12', 'Bad Name'],
  ['debian:12', 'debian:latest'],
  ['', undefined],
])('%j as %j is refused before anything is sent', async (reference, name) => {
  const { result, sent } = await create(reference, name)
  expect(result).toMatchObject({ code: 'NAME_INVALID' })
  expect(sent).toEqual([])
})

test('without a wait the image is answered as it is', async () => {
  const { result, states } = await create('debian:12', undefined, image({ state: 'pending' }))
  expect([(result as Image).state, states]).toEqual(['pending', []])
})

test('with a wait it is active', async () => {
  const { result } = await create('debian:12', undefined, image({ state: 'pending' }), 10_000)
  expect((result as Image).state).toBe('active')
})

test('a name that is in error already is told, waiting or not', async () => {
  const { result } = await create('debian:12', undefined, image({ state: 'error', errorReason: 'boom' }))
  expect(result).toMatchObject({ code: 'IMAGE_REJECTED', message: expect.stringContaining('boom') })
})
