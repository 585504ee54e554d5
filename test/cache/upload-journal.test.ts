import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FileCacheStore } from '../../src/cache/cache-store.ts'
import { FileUploadJournal } from '../../src/cache/upload-journal.ts'
import type { SavedUpload } from '../../src/ports/upload-journal.ts'

const UPLOAD = { registry: 'registry.test', repository: 'team/app', content: 'sha256:abc' }
const SAVED: SavedUpload = {
  url: 'https://registry.test/v2/team/app/blobs/uploads/1?_state=secret',
  minChunk: 0,
  checkpoints: [{ offset: 10, sha256: 'a'.repeat(64) }],
}
const HOUR_MS = 3_600_000

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const uploads = () => join(folder, 'uploads')
const journal = (now?: () => number) => new FileUploadJournal(uploads(), now)
const names = () => readdir(uploads()).catch(() => [])

/** A run of the program that notes an upload and ends, or goes on until its stdin is closed. */
async function otherRun(saved: SavedUpload = SAVED, stays = false) {
  const source = `
    import { FileUploadJournal } from ${JSON.stringify(join(import.meta.dirname, '../../src/cache/upload-journal.ts'))}
    const journal = new FileUploadJournal(${JSON.stringify(uploads())})
    await journal.record(${JSON.stringify(UPLOAD)}).save(${JSON.stringify(saved)})
    process.stdout.write('saved')
    ${stays ? 'await new Promise((resolve) => process.stdin.on("end", resolve).resume())' : ''}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  if (!stays) await once(child, 'exit')
  return child
}

test('what a run left that ended is taken once, by one run', async () => {
  await otherRun()
  const [file] = await names()
  expect((await stat(join(uploads(), file!))).mode & 0o777).toBe(0o600)
  const taken = await Promise.all([1, 2, 3].map(() => journal().record(UPLOAD).take()))
  expect(taken.filter((each) => each !== undefined)).toEqual([{ ...SAVED, registry: UPLOAD.registry }])
})

test('what a run is at work on is not taken from it', async () => {
  const child = await otherRun(SAVED, true)
  expect(await journal().record(UPLOAD).take()).toBeUndefined()
  child.stdin!.end()
  await once(child, 'exit')
  expect(await journal().record(UPLOAD).take()).toMatchObject(SAVED)
})

test('another journal of this very process is at work too', async () => {
  await journal().record(UPLOAD).save(SAVED)
  expect(await journal().record(UPLOAD).take()).toBeUndefined()
})

test('a process id that is ours again by chance is that of a process that is gone', async () => {
  await journal().record(UPLOAD).save(SAVED)
  const [name] = await names()
  await rename(join(uploads(), name!), join(uploads(), name!.replace(/-[0-9a-f]+\.json$/, '-00000000.json')))
  expect(await journal().record(UPLOAD).take()).toMatchObject(SAVED)
})

test('a note of another machine stays', async () => {
  await otherRun()
  const [name] = await names()
  await rename(join(uploads(), name!), join(uploads(), name!.replace(/\.[0-9a-f]{8}-/, '.00000000-')))
  expect(await journal().record(UPLOAD).take()).toBeUndefined()
  expect(await names()).toHaveLength(1)
})

test.each([
  ['another repository', { ...UPLOAD, repository: 'team/other' }],
  ['another registry', { ...UPLOAD, registry: 'other.test' }],
  ['another content', { ...UPLOAD, content: 'sha256:def' }],
])('%s is another upload', async (_, upload) => {
  await otherRun()
  expect(await journal().record(upload).take()).toBeUndefined()
})

test.each([
  ['garbage', '{"url":'],
  ['no URL', '{"url":"nowhere","registry":"registry.test","minChunk":0,"checkpoints":[]}'],
  [
    'a negative offset',
    JSON.stringify({ ...SAVED, registry: 'r', checkpoints: [{ offset: -1, sha256: 'a' }] }),
  ],
  ['a size that is none', JSON.stringify({ ...SAVED, registry: 'r', minChunk: 'many' })],
])('a note that holds %s is none, and goes', async (_, content) => {
  await otherRun()
  const [name] = await names()
  await writeFile(join(uploads(), name!), content)
  expect(await journal().record(UPLOAD).take()).toBeUndefined()
  expect(await names()).toEqual([])
})

test('notes are swept after a day', async () => {
  await otherRun()
  expect(
    await journal(() => Date.now() + 23 * HOUR_MS)
      .record({ ...UPLOAD, content: 'x' })
      .take(),
  ).toBeUndefined()
  expect(await names()).toHaveLength(1)
  expect(
    await journal(() => Date.now() + 25 * HOUR_MS)
      .record(UPLOAD)
      .take(),
  ).toBeUndefined()
  expect(await names()).toEqual([])
})

test('a note is removed when its upload is done, and can be forgotten with its registry', async () => {
  const own = journal().record(UPLOAD)
  await own.save(SAVED)
  await own.clear()
  expect(await names()).toEqual([])
  await journal().record(UPLOAD).save(SAVED)
  await journal()
    .record({ ...UPLOAD, registry: 'other.test' })
    .save(SAVED)
  const store = new FileCacheStore({ folder, keyFile: join(folder, 'key') })
  expect(await store.info()).toMatchObject({ uploads: 2 })
  await store.forgetUploads('registry.test')
  const [left] = await names()
  expect(JSON.parse(await readFile(join(uploads(), left!), 'utf8'))).toMatchObject({ registry: 'other.test' })
  expect(await names()).toHaveLength(1)
})

test('a folder that cannot be written costs the note, not the push', async () => {
  await writeFile(uploads(), 'a file is in the way')
  const record = journal().record(UPLOAD)
  await record.save(SAVED)
  expect(await record.take()).toBeUndefined()
  await record.clear()
})
