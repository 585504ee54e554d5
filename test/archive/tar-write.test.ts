import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { StreamBytes } from '../../src/archive/stream-bytes.ts'
import { walkTar } from '../../src/archive/tar-walk.ts'
import { type TarContent, tarSize, writeTar } from '../../src/archive/tar-write.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
const file = (path: string, body: string): TarContent => ({
  path,
  size: Buffer.byteLength(body),
  body: () => [Buffer.from(body)],
})
const written = (files: readonly TarContent[]) => buffer(Readable.from(writeTar(files)))

const FILES = [
  file('manifest.json', '[]'),
  file('empty', ''),
  file(`blobs/sha256/${'a'.repeat(64)}`, 'x'.repeat(512)),
  file(`blobs/sha512/${'b'.repeat(128)}`, 'x'.repeat(513)),
]

test('the system tar reads it, long names too', async () => {
  const path = join(folder.root, 'written.tar')
  await writeFile(path, await written(FILES))
  const listed = execFileSync('tar', ['-tf', path], { encoding: 'utf8' })
  expect(listed.trim().split('\n')).toEqual(FILES.map((each) => each.path))
  const content = execFileSync('tar', ['-xOf', path, FILES[3]!.path])
  expect(content.toString()).toBe('x'.repeat(513))
})

test('our own walk reads it, and its size is known beforehand', async () => {
  const bytes = await written(FILES)
  expect(bytes.length).toBe(tarSize(FILES))
  const seen: object[] = []
  for await (const entry of walkTar(new StreamBytes(Readable.from([bytes])))) seen.push(entry)
  expect(seen).toMatchObject(FILES.map(({ path, size }) => ({ type: 'file', path, size })))
})

test('a size beyond 8 GiB is said in a pax header', async () => {
  const size = 9 * 1024 ** 3
  const [header] = await Readable.from(writeTar([{ path: 'layer', size, body: () => Readable.from([]) }]))
    .take(1)
    .toArray()
  const bytes = new StreamBytes(Readable.from([header as Buffer]))
  const { value } = await walkTar(bytes).next()
  expect(value).toMatchObject({ path: 'layer', size })
})

test.each([
  ['more', 3],
  ['less', 5],
])('a body with %s bytes than promised is an error', async (_, size) => {
  const wrong = { ...file('a', 'body'), size }
  await expect(written([wrong])).rejects.toThrow(/than/)
})
