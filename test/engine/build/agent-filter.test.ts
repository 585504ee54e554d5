import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { AgentFilter } from '../../../src/engine/build/agent-filter.ts'

const LIST = Buffer.from([0, 0, 0, 1, 11])
const REFUSED = Buffer.from([0, 0, 0, 1, 0])
const sign = (length: number) => message(13, Buffer.alloc(length, 7))

function message(type: number, content: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(content.length + 1)
  head[4] = type
  return Buffer.concat([head, content])
}

async function filtered(...chunks: Buffer[]): Promise<Buffer> {
  const filter = new AgentFilter()
  const [sent] = await Promise.all([buffer(filter), pipeline(Readable.from(chunks), filter)])
  return sent
}

test.each([
  ['keys are listed', LIST],
  ['a key signs', sign(1000)],
  ['several messages at once', Buffer.concat([LIST, sign(10), LIST])],
])('what a build may do reaches the agent: %s', async (_case, bytes) => {
  expect(await filtered(bytes)).toEqual(bytes)
  expect(await filtered(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(bytes)
})

test.each([
  ['add a key', 17],
  ['remove a key', 18],
  ['remove all keys', 19],
  ['lock', 22],
  ['unlock', 23],
  ['add a constrained key', 25],
  ['extension', 27],
  ['an unknown message', 99],
])('what would change the agent is refused by it, in order: %s', async (_case, type) => {
  const bytes = Buffer.concat([LIST, message(type, Buffer.from('content')), LIST])
  expect(await filtered(bytes)).toEqual(Buffer.concat([LIST, REFUSED, LIST]))
})

test.each([
  ['an empty message', Buffer.from([0, 0, 0, 0])],
  ['a message beyond the limit', Buffer.from([0, 5, 0, 0, 11])],
])('something else ends the connection: %s', async (_case, bytes) => {
  await expect(filtered(bytes)).rejects.toThrow('no message of the SSH agent protocol')
})
