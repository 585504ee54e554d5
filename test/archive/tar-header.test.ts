import { describe, expect, test } from 'vitest'
import { isTarHeader, parsePaxRecords, parseTarHeader } from '../../src/archive/tar-header.ts'
import { type Entry, header, withChecksum } from './build-archive.ts'

const parsed = (entry: Entry) => parseTarHeader(header(entry))

test.each([
  ['0', 'file'],
  ['\0', 'file'],
  ['7', 'file'],
  ['1', 'hard-link'],
  ['2', 'symlink'],
  ['3', 'special'],
  ['5', 'directory'],
  ['V', 'special'],
  ['x', 'pax'],
  ['g', 'pax-global'],
  ['L', 'gnu-long-path'],
  ['K', 'gnu-long-link'],
  ['S', 'sparse'],
])('type %j is %s', (flag, type) => {
  expect(parsed({ name: 'a', type: flag }).type).toBe(type)
})

test('a file whose name ends in / is a folder, as old writers meant it', () => {
  expect(parsed({ name: 'a/' }).type).toBe('directory')
})

test('links and folders have no body', () => {
  for (const type of ['1', '2', '5']) expect(parsed({ name: 'a', type, size: 100 }).size).toBe(0)
})

test('a prefix belongs to the path of a POSIX header only', () => {
  const block = header({ name: 'name' })
  block.write('prefix', 345)
  expect(parseTarHeader(withChecksum(block)).path).toBe('prefix/name')
  block.write('ustar  \0', 257)
  expect(parseTarHeader(withChecksum(block)).path).toBe('name')
})

test('a name may fill its field without an end', () => {
  expect(parsed({ name: 'n'.repeat(100), type: '2', linkname: 'l'.repeat(100) })).toMatchObject({
    path: 'n'.repeat(100),
    linkPath: 'l'.repeat(100),
  })
})

describe('the size', () => {
  const withSize = (field: string) => {
    const block = header({ name: 'a' })
    block.write(field.padEnd(12, '\0'), 124, 'latin1')
    return withChecksum(block)
  }

  test.each([
    ['00000000017\0', 15],
    ['        17 ', 15],
    ['17', 15],
    ['17 \0junk', 15],
    ['', 0],
    ['77777777777', 8 ** 11 - 1],
  ])('%j is %i', (field, size) => {
    expect(parseTarHeader(withSize(field)).size).toBe(size)
  })

  test.each(['8', '-1', '1x', '0x10', '１'])('%j is refused', (field) => {
    expect(() => parseTarHeader(withSize(field))).toThrow(
      expect.objectContaining({ code: 'ARCHIVE_INVALID' }),
    )
  })
})

describe('the checksum', () => {
  test('is right in unsigned and in signed sums', () => {
    const block = header({ name: 'bäh' })
    expect(isTarHeader(block)).toBe(true)
    const signed = Buffer.from(block)
    signed.write('        ', 148)
    const sum = signed.reduce((total, byte) => total + (byte < 128 ? byte : byte - 256), 0)
    signed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    expect(signed.equals(block)).toBe(false)
    expect(isTarHeader(signed)).toBe(true)
  })

  test('shows every changed byte', () => {
    const block = header({ name: 'name', body: 'body' })
    for (let i = 0; i < block.length; i++) {
      // The checksum's own field ends in NUL and space, which say nothing.
      if (i >= 154 && i < 156) continue
      const changed = Buffer.from(block)
      changed[i]! ^= 0x01
      expect(isTarHeader(changed), `byte ${i}`).toBe(false)
    }
  })

  test('is missing in zeros and in a short block', () => {
    expect(isTarHeader(Buffer.alloc(512))).toBe(false)
    expect(isTarHeader(header({ name: 'a' }).subarray(0, 511))).toBe(false)
  })
})

test('pax records may hold =, newlines and any text; the last of a key counts', () => {
  const body = '16 key=a=b\nc\näö\n10 path=x\n10 path=y\n'
  const records = parsePaxRecords(
    Buffer.from(body.replace('16', String(Buffer.byteLength('16 key=a=b\nc\näö\n')))),
  )
  expect(records).toEqual(
    new Map([
      ['key', 'a=b\nc\näö'],
      ['path', 'y'],
    ]),
  )
})
