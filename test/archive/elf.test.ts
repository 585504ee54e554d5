import { expect, test } from 'vitest'
import { elfArchitecture } from '../../src/archive/elf.ts'

function elf(bits: 32 | 64, endian: 'little' | 'big', machine: number): Buffer {
  const head = Buffer.alloc(64)
  head.write('\x7fELF')
  head[4] = bits / 32
  head[5] = endian === 'little' ? 1 : 2
  if (endian === 'little') head.writeUInt16LE(machine, 18)
  else head.writeUInt16BE(machine, 18)
  return head
}

test.each([
  ['386', 32, 'little', 3],
  ['amd64', 64, 'little', 62],
  ['arm', 32, 'little', 40],
  ['arm64', 64, 'little', 183],
  ['riscv64', 64, 'little', 243],
  ['ppc64le', 64, 'little', 21],
  ['ppc64', 64, 'big', 21],
  ['s390x', 64, 'big', 22],
  ['mips64le', 64, 'little', 8],
  ['mips', 32, 'big', 8],
  ['loong64', 64, 'little', 258],
  [undefined, 32, 'little', 62],
  [undefined, 64, 'little', 9999],
] as const)('%s is told by %i bits, %s endian, machine %i', (architecture, bits, endian, machine) => {
  expect(elfArchitecture(elf(bits, endian, machine))).toBe(architecture)
})

test('is read from a slice of a larger buffer', () => {
  const bytes = Buffer.concat([Buffer.alloc(33), elf(64, 'little', 183)])
  expect(elfArchitecture(bytes.subarray(33))).toBe('arm64')
})

test.each(['', '#!/bin/sh\necho hello hello', '\x7fELF', 'MZ\x90\x00 a program of Windows'])(
  '%j has none',
  (text) => {
    expect(elfArchitecture(Buffer.from(text, 'latin1'))).toBeUndefined()
  },
)
