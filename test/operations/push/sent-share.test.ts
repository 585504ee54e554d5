import { expect, test } from 'vitest'
import { SentShare } from '../../../src/operations/push/sent-share.ts'

async function setup(chunks: number[]) {
  let done = 0
  const share = new SentShare((bytes) => {
    done += bytes
  })
  const stream = share.made(
    (async function* () {
      for (const length of chunks) yield new Uint8Array(length)
    })(),
  )
  const take = async (count: number) => {
    for (let i = 0; i < count; i++) await stream.next()
  }
  return { share, take, done: () => done }
}

test('what waits in buffers is not done, and at the end everything is', async () => {
  const { share, take, done } = await setup([100, 100, 100, 100])
  share.read(4000)
  await take(4)
  expect(done()).toBe(0)
  share.went(100)
  expect(done()).toBe(1000)
  share.went(300)
  expect(done()).toBe(4000)
})

test('what is sent again is taken back', async () => {
  const { share, take, done } = await setup([100, 100])
  share.read(1000)
  await take(2)
  share.went(150)
  share.went(-100)
  expect(done()).toBe(250)
  share.went(150)
  expect(done()).toBe(1000)
})

test('what an earlier run sent counts as it is made again', async () => {
  const { share, take, done } = await setup([100, 100])
  share.went(150)
  expect(done()).toBe(0)
  share.read(1000)
  await take(2)
  share.went(50)
  expect(done()).toBe(1000)
})
