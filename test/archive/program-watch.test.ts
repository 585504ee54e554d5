import { expect, test } from 'vitest'
import { ProgramWatch } from '../../src/archive/program-watch.ts'
import { tarOf } from '../acceptance/archives.ts'

test.each([1, 7, 512, 513, 100_000])('finds the program in chunks of %i bytes', async (size) => {
  const layer = await tarOf({ 'bin/other': elf(62), 'bin/app': elf(183), zzz: 'x'.repeat(2000) })
  expect(architectures('/bin/app', layer, size)).toEqual(['arm64'])
})

test.each(['./bin/app', '/bin/app', 'bin/app'])('knows it as %s', async (name) => {
  expect(architectures('/bin/app', await tarOf({ [name]: elf(62) }), 512)).toEqual(['amd64'])
})

test.each([
  ['a script', { app: '#!/bin/sh\necho hello, this is longer than a header\n' }],
  ['a tiny file', { app: 'x' }],
  ['another program', { other: elf(62) }],
  ['no layer at all', undefined],
])('%s tells nothing', async (_, entries) => {
  const layer = entries ? await tarOf(entries as Record<string, string>) : Buffer.from('garbage'.repeat(500))
  expect(architectures('/app', layer, 512)).toEqual([])
})

test('of a program that a later layer replaces, both are told', async () => {
  const watch = new ProgramWatch('/app')
  for (const machine of [183, 62]) watch.layer()(await tarOf({ app: elf(machine) }))
  expect(watch.architectures).toEqual(['arm64', 'amd64'])
})

function architectures(path: string, layer: Buffer, chunk: number): readonly string[] {
  const watch = new ProgramWatch(path)
  const take = watch.layer()
  for (let at = 0; at < layer.length; at += chunk) take(layer.subarray(at, at + chunk))
  return watch.architectures
}

/** The start of a 64-bit little-endian program for a machine (e_machine). */
function elf(machine: number): Buffer {
  const header = Buffer.alloc(64)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  header.writeUInt16LE(2, 16)
  header.writeUInt16LE(machine, 18)
  return header
}
