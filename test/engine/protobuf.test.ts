import { describe, expect, test } from 'vitest'
import { encodeMessage, ProtobufMessage } from '../../src/engine/grpc/protobuf.ts'

/** Bytes of https://protobuf.dev/programming-guides/encoding/ and of `protoc --encode`. */
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')

describe('a message is read', () => {
  test.each([
    ['a small number', '08 01', 1],
    ['150, of the guide', '08 96 01', 150],
    ['2^32', '08 80 80 80 80 10', 2 ** 32],
    ['-2, of the guide', '08 fe ff ff ff ff ff ff ff ff 01', -2],
    ['the last of two', '08 01 08 02', 2],
    ['the default', '', 0],
    ['past fields of 64 and 32 bits', '11 0102030405060708 1d 01020304 08 07', 7],
  ])('%s', (_case, hex, number) => {
    expect(new ProtobufMessage(bytes(hex)).number(1)).toBe(number)
  })

  test('text, bytes and messages', () => {
    const read = new ProtobufMessage(bytes('12 07 74657374696e67 1a 03 08 96 01 1a 02 08 03'))
    expect(read.text(2)).toBe('testing')
    expect(read.messages(3).map((inner) => inner.number(1))).toEqual([150, 3])
    expect([read.has(2), read.has(4), read.text(4), read.texts(2)]).toEqual([true, false, '', ['testing']])
  })
})

test.each([
  ['a number that does not end', '08 ff'],
  ['a number of more than ten bytes', `08 ${'ff'.repeat(11)}01`],
  ['text that is cut off', '12 07 74'],
  ['a length that is absurd', '12 ff ff ff ff ff ff ff ff 7f 00'],
  ['the end of a group', '0c'],
  ['a field without a value', '08'],
])('no message: %s', (_case, hex) => {
  expect(() => new ProtobufMessage(bytes(hex))).toThrow(expect.objectContaining({ code: 'ENGINE_ERROR' }))
})

test('a message is written as it is read', () => {
  const long = 'x'.repeat(300)
  const written = encodeMessage({ 1: 'user', 2: '', 16: Buffer.from(long) })
  const read = new ProtobufMessage(written)
  expect([read.text(1), read.has(2), read.text(16)]).toEqual(['user', false, long])
  expect(encodeMessage({ 2: 'testing' }).toString('hex')).toBe('120774657374696e67')
})
