import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ImgctlError } from '../../src/errors/error.ts'
import { mapLimit } from '../../src/internal/concurrency.ts'
import { makeVisible } from '../../src/internal/control-characters.ts'
import { writeFileDurably } from '../../src/internal/durable-file.ts'
import { redactUrl } from '../../src/internal/redact.ts'
import { retry } from '../../src/internal/retry.ts'

describe('mapLimit', () => {
  test('keeps the order and the limit', async () => {
    let running = 0
    let most = 0
    const results = await mapLimit([5, 1, 4, 2, 3], 2, async (n) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, n))
      running--
      return n * 10
    })
    expect(results).toEqual([50, 10, 40, 20, 30])
    expect(most).toBe(2)
  })

  test('the first failure aborts the others, starts no more, and is the one thrown', async () => {
    const started: number[] = []
    const aborted: number[] = []
    const work = mapLimit([0, 1, 2, 3], 2, async (n, _, signal) => {
      started.push(n)
      if (n === 0) throw new Error('first')
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      aborted.push(n)
      throw new Error('second')
    })
    await expect(work).rejects.toThrow('first')
    expect(started).toEqual([0, 1])
    expect(aborted).toEqual([1])
  })

  test('the outer signal ends it', async () => {
    const controller = new AbortController()
    controller.abort(new Error('stop'))
    await expect(mapLimit([1], 1, async () => 1, controller.signal)).rejects.toThrow('stop')
  })
})

describe('retry', () => {
  const policy = { attempts: 3, baseMs: 1, maxMs: 2 }
  const busy = new ImgctlError('RATE_LIMITED', 'busy', { retryable: true })

  test('tries again while the error says that it may help', async () => {
    let calls = 0
    const result = await retry(policy, async (attempt) => {
      calls++
      if (attempt < 3) throw busy
      return 'done'
    })
    expect([result, calls]).toEqual(['done', 3])
  })

  test('gives up after the last attempt', async () => {
    let calls = 0
    const work = retry(policy, async () => {
      calls++
      throw busy
    })
    await expect(work).rejects.toBe(busy)
    expect(calls).toBe(3)
  })

  test.each([new ImgctlError('FORBIDDEN', 'no'), new TypeError('bug')])('shows %s at once', async (error) => {
    let calls = 0
    const work = retry(policy, async () => {
      calls++
      throw error
    })
    await expect(work).rejects.toBe(error)
    expect(calls).toBe(1)
  })

  test('an abort ends the wait', async () => {
    const controller = new AbortController()
    const onRetry = () => controller.abort()
    const slow = { attempts: 3, baseMs: 60_000, maxMs: 60_000, signal: controller.signal, onRetry }
    const work = retry(slow, async () => {
      throw busy
    })
    await expect(work).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('writeFileDurably', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imgctl-test-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('makes a 0600 file in a 0700 folder, whatever the umask', async () => {
    const before = process.umask(0)
    const path = join(folder, 'new', 'secret.json')
    await writeFileDurably(path, 'x').finally(() => process.umask(before))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'new'))).mode & 0o777).toBe(0o700)
  })

  test('replaces the whole file and leaves no temporary one', async () => {
    const path = join(folder, 'file')
    await writeFileDurably(path, 'a long first version')
    await writeFileDurably(path, 'short')
    expect(await readFile(path, 'utf8')).toBe('short')
    expect(await readdir(folder)).toEqual(['file'])
  })

  test('a failure leaves the old file and no temporary one', async () => {
    const path = join(folder, 'taken')
    await writeFileDurably(join(path, 'child'), 'x')
    await chmod(path, 0o700)
    await expect(writeFileDurably(path, 'y')).rejects.toThrow()
    expect(await readdir(folder)).toEqual(['taken'])
  })
})

test.each([
  ['https://user:secret@host/v2/?token=abc&n=10#frag', 'https://host/v2/?token=***&n=10'],
  [
    'http://127.0.0.1:5000/v2/app/blobs/uploads/1?_state=abc',
    'http://127.0.0.1:5000/v2/app/blobs/uploads/1?_state=***',
  ],
  ['nonsense', '(not a URL)'],
])('redactUrl(%s)', (url, expected) => {
  expect(redactUrl(url)).toBe(expected)
})

test.each([
  ['plain text\n\twith layout', 'plain text\n\twith layout'],
  ['\u001b[31mred', '\\x1b[31mred'],
  ['a\rb\u0007', 'a\\x0db\\x07'],
  ['\u009b31m', '\\x9b31m'],
  ['abc\u202edef', 'abc\\u202edef'],
])('makeVisible(%j)', (text, expected) => {
  expect(makeVisible(text)).toBe(expected)
})
