import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import type { ErrorCode } from '../../src/errors/codes.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import { configJson, type Entry, layerTar } from './build-archive.ts'
import { openDescriptors, type TemporaryFolder } from './temporary-folder.ts'

/** A bad archive: what is bad about it, its bytes, and what it is refused with. */
export type BadArchive = [name: string, bytes: () => Uint8Array, code: ErrorCode, message: RegExp]

export const layer = await layerTar('file.txt', 'content')
export const config = configJson([layer])

/** A docker-save archive of one image with `layer` and `config`, or what a test puts in their place. */
export function saved(change: Partial<{ config: Entry; layer: Entry; manifest: unknown }> = {}): Entry[] {
  const manifest = [{ Config: 'config.json', RepoTags: ['app:1'], Layers: ['a/layer.tar'] }]
  return [
    change.config ?? { name: 'config.json', body: config },
    change.layer ?? { name: 'a/layer.tar', body: layer },
    { name: 'manifest.json', body: JSON.stringify(change.manifest ?? manifest) },
  ]
}

export function testRefusals(folder: TemporaryFolder, archives: readonly BadArchive[]): void {
  test.each(archives)('%s', async (_name, bytes, code, message) => {
    const error = await refusal(folder, await folder.file(bytes()))
    expect(error.message).toMatch(message)
    expect(error.code).toBe(code)
  })
}

/** The error of opening an archive and reading all its layers; nothing may stay open or on disk. */
export async function refusal(
  folder: TemporaryFolder,
  path: string,
  maxBytes?: number,
): Promise<ImgctlError> {
  const before = openDescriptors()
  const error = await readAll(folder, path, maxBytes).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(ImgctlError)
  expect(folder.spooledFiles()).toEqual([])
  expect(openDescriptors()).toBe(before)
  return error as ImgctlError
}

export async function readAll(folder: TemporaryFolder, path: string, maxBytes?: number): Promise<string> {
  const spool = { folder: folder.spool, ...(maxBytes ? { maxBytes } : {}) }
  const archive = await openArchive(path, { spool })
  try {
    for (const { layers } of archive.images) for (const each of layers) await buffer(await each.open())
  } finally {
    await archive.close()
  }
  return 'read'
}

/** A layer's bytes with one bit changed, still a tar. */
export function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[512]! ^= 1
  return copy
}
