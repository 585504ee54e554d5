import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { open, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { writeStreamDurably } from '../../src/internal/durable-stream.ts'

const root = mkdtempSync(join(tmpdir(), 'imgctl-durable-'))
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text)
}

test('the file has all of the stream, and nothing else is there', async () => {
  await writeStreamDurably(join(folder, 'a'), chunks('one', 'two'))
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe('onetwo')
  expect(readdirSync(folder)).toEqual(['a'])
})

test('a link stays one: what it leads to is replaced', async () => {
  await writeFile(join(folder, 'real'), 'old')
  await symlink('real', join(folder, 'link'))
  await writeStreamDurably(join(folder, 'link'), chunks('new'))
  expect(await readlink(join(folder, 'link'))).toBe('real')
  expect(await readFile(join(folder, 'real'), 'utf8')).toBe('new')
})

describe('the old file stays and nothing is left', () => {
  beforeEach(() => writeFile(join(folder, 'a'), 'old'))
  const unchanged = async () => {
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['a'])
  }

  test('when the stream fails', async () => {
    async function* broken() {
      yield Buffer.alloc(3_000_000)
      throw new Error('read failed')
    }
    await expect(writeStreamDurably(join(folder, 'a'), broken())).rejects.toThrow('read failed')
    await unchanged()
  })

  test('when the disk lost what was written long before the end: no later sync tells it again', async () => {
    const handle = await open(join(folder, 'a'))
    const lost = new Error('EIO: i/o error, fdatasync')
    const sync = vi.spyOn(Object.getPrototypeOf(handle), 'datasync').mockRejectedValueOnce(lost)
    await handle.close()
    async function* large() {
      for (let mebibytes = 0; mebibytes < 80; mebibytes++) yield Buffer.alloc(1024 * 1024)
    }
    try {
      await expect(writeStreamDurably(join(folder, 'a'), large())).rejects.toBe(lost)
      expect(sync).toHaveBeenCalledTimes(1)
    } finally {
      sync.mockRestore()
    }
    await unchanged()
  })

  test('when it is aborted while it waits: at once', async () => {
    const controller = new AbortController()
    const reason = new Error('stopped by the test')
    async function* stalled() {
      yield Buffer.from('half')
      controller.abort(reason)
      expect(readdirSync(folder)).toEqual(['a'])
      await new Promise(() => {})
    }
    const written = writeStreamDurably(join(folder, 'a'), stalled(), controller.signal)
    await expect(written).rejects.toBe(reason)
    await unchanged()
  })
})

test('a folder that is not there is an error of the file system', async () => {
  await expect(writeStreamDurably(join(folder, 'no', 'a'), chunks('x'))).rejects.toMatchObject({
    code: 'ENOENT',
  })
})
