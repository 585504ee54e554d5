import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileBlobCache } from '../../src/cache/blob-cache.ts'
import { type Digest, digestBytes } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_LAYER_GZIP } from '../../src/oci/media-types.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-test-'))
  path = join(folder, 'cache', 'blobs.json')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('what one run learned the next one knows', async () => {
  await fileBlobCache(path).remember(new Map([[diffID('a'), blob('a')]]))
  const next = fileBlobCache(path)
  expect(await next.find(diffID('a'))).toEqual(blob('a'))
  expect(await next.find(diffID('b'))).toBeUndefined()
})

test('two runs keep each other’s entries', async () => {
  const [one, two] = [fileBlobCache(path), fileBlobCache(path)]
  await one.find(diffID('a'))
  await two.find(diffID('a'))
  await one.remember(new Map([[diffID('a'), blob('a')]]))
  await two.remember(new Map([[diffID('b'), blob('b')]]))
  const later = fileBlobCache(path)
  expect(await later.find(diffID('a'))).toEqual(blob('a'))
  expect(await later.find(diffID('b'))).toEqual(blob('b'))
})

test('a file that is garbage is an empty cache, and is replaced', async () => {
  const cache = fileBlobCache(join(folder, 'blobs.json'))
  await writeFile(join(folder, 'blobs.json'), '{"sha256:short": {"size": -1}')
  expect(await cache.find(diffID('a'))).toBeUndefined()
  await cache.remember(new Map([[diffID('a'), blob('a')]]))
  expect(await fileBlobCache(join(folder, 'blobs.json')).find(diffID('a'))).toEqual(blob('a'))
})

test('a folder that cannot be written is no error, and leaves nothing', async () => {
  await writeFile(join(folder, 'cache'), 'a file is in the way')
  await fileBlobCache(path).remember(new Map([[diffID('a'), blob('a')]]))
  expect(await readdir(folder)).toEqual(['cache'])
})

function diffID(name: string): Digest {
  return digestBytes(Buffer.from(name))
}

function blob(name: string): Descriptor {
  return { mediaType: OCI_LAYER_GZIP, digest: digestBytes(Buffer.from(`gzip ${name}`)), size: name.length }
}
