import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { withoutBufferGarbage } from '../../src/internal/buffer-garbage.ts'
import { writeToStream } from '../../src/internal/paced-write.ts'

test('a source that uses one buffer for all its chunks arrives whole', async () => {
  const buffer = Buffer.alloc(1000)
  async function* reused() {
    for (let i = 0; i < 50; i++) yield buffer.fill(i)
  }
  const received: number[] = []
  const slow = new Writable({
    write(chunk: Buffer, _encoding, done) {
      setImmediate(() => {
        received.push(chunk[0]!)
        done()
      })
    },
  })
  await writeToStream(slow, withoutBufferGarbage(reused()))
  expect(received).toEqual(Array.from({ length: 50 }, (_, i) => i))
  expect(slow.writableFinished).toBe(true)
})

test('a stream that fails ends it, and the source is closed', async () => {
  let closed = false
  async function* endless() {
    try {
      for (;;) yield Buffer.from('x')
    } finally {
      closed = true
    }
  }
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
  await expect(writeToStream(broken, endless())).rejects.toThrow('EPIPE')
  expect(closed).toBe(true)
})

test('much data passes the collector as it is', async () => {
  async function* megabytes() {
    for (let i = 0; i < 40; i++) yield Buffer.alloc(1024 * 1024, i)
  }
  let seen = 0
  for await (const chunk of withoutBufferGarbage(megabytes())) expect(chunk[0]).toBe(seen++)
  expect(seen).toBe(40)
})
