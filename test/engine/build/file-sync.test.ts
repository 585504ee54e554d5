import { once } from 'node:events'
import type { ClientHttp2Stream } from 'node:http2'
import { describe, expect, test } from 'vitest'
import type { BuildFiles, SentEntry, SentSelection } from '../../../src/ports/engine-build.ts'
import { folderFiles, memoryFiles, sentFile } from './memory-files.ts'
import {
  BUILT,
  type Building,
  buildRequest,
  DIFF_COPY,
  framed,
  scriptedBuildKit,
} from './scripted-buildkit.ts'
import { message } from './status-messages.ts'
import { fetchFolder } from './sync-client.ts'

const NOT_FOUND = 5
const INTERNAL = 13
const CONTEXT = { 'dir-name': 'context' }

/** Runs a build of these files, in which BuildKit does `work`. */
async function session<T>(files: BuildFiles, work: (building: Building) => Promise<T>): Promise<T> {
  let result: T | undefined
  const { engine } = await scriptedBuildKit(async (building) => {
    result = await work(building)
    building.say(BUILT)
    building.response.end()
  })
  await engine.build(buildRequest({ files }))
  return result!
}

async function* nothing(): AsyncGenerator<never> {}

/** How a call ended, whatever it said. */
function statusOf(call: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve) => {
    call.resume().on('trailers', (trailers) => resolve(Number(trailers['grpc-status'])))
  })
}

describe('what a folder holds', () => {
  const entry = (fields: Partial<SentEntry>): SentEntry => ({ ...sentFile('x', nothing, 0), ...fields })
  const dir = 2 ** 31
  const link = 2 ** 27
  const fifo = 2 ** 25

  test.each<[string, Partial<SentEntry>, object]>([
    ['a file', { mode: 0o640, size: 3 }, { mode: 0o640, size: 3 }],
    ['an empty file of no permissions', { mode: 0 }, { mode: 0, size: 0 }],
    ['a folder', { type: 'directory', mode: 0o755 }, { mode: dir + 0o755, size: 0 }],
    // As lstat says: the size of a link is that of its text.
    [
      'a link',
      { type: 'symlink', mode: 0o777, target: 'é/../b' },
      { mode: link + 0o777, size: 7, target: 'é/../b' },
    ],
    [
      'a further name of a file',
      { type: 'link', mode: 0o644, target: 'a' },
      { mode: 0o644, size: 0, target: 'a' },
    ],
    ['a named pipe', { type: 'fifo', mode: 0o600 }, { mode: fifo + 0o600 }],
    ['setuid, setgid and sticky', { mode: 0o7755 }, { mode: 2 ** 23 + 2 ** 22 + 2 ** 20 + 0o755 }],
    ['a time before 1970', { mtimeNs: -1_500_000_000n }, { mtimeNs: -1_500_000_000n }],
    ['a file of 5 GB', { size: 5_368_709_120 }, { size: 5_368_709_120 }],
  ])('%s is told as it is, of root', async (_case, fields, expected) => {
    const files = folderFiles(async function* () {
      yield entry(fields)
    })
    const { stats } = await session(files, ({ stream }) =>
      fetchFolder(stream(DIFF_COPY, CONTEXT), () => false),
    )
    expect(stats).toEqual([expect.objectContaining({ path: 'x', uid: 0, ...expected })])
  })

  test('only files that are asked for are read', async () => {
    const read: string[] = []
    const files = folderFiles(async function* () {
      for (const path of ['a', 'b', 'c']) {
        yield sentFile(path, async function* () {
          read.push(path)
          yield Buffer.from(path)
        })
      }
    })
    const { contents } = await session(files, ({ stream }) =>
      fetchFolder(stream(DIFF_COPY, CONTEXT), ({ path }) => path !== 'b'),
    )
    expect(contents).toEqual({ a: 'a', c: 'c' })
    expect(read).toEqual(['a', 'c'])
  })

  test('many files come whole, whatever is read at once', async () => {
    const contents = Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => [`f${String(i).padStart(3, '0')}`, String(i).repeat(i)]),
    )
    const fetched = await session(memoryFiles(contents), ({ context }) => context())
    expect(fetched.contents).toEqual(contents)
  })
})

describe('the selection that BuildKit sends', () => {
  const selectionOf = async (headers: Record<string, string | string[]>): Promise<SentSelection> => {
    let got: SentSelection | undefined
    const files = folderFiles((selection) => {
      got = selection
      return nothing()
    })
    await session(files, ({ stream }) => fetchFolder(stream(DIFF_COPY, { ...CONTEXT, ...headers })))
    return got!
  }

  test.each<[string, Record<string, string | string[]>, SentSelection]>([
    ['nothing', {}, { except: [] }],
    ['names with commas', { followpaths: ['a, b', 'c'] }, { only: ['a, b', 'c'], except: [] }],
    [
      'UTF-8 as it is',
      { followpaths: Buffer.from('ä.txt').toString('latin1') },
      { only: ['ä.txt'], except: [] },
    ],
    [
      'UTF-8 as in a query',
      { followpaths: ['a%2Bb+%C3%A4', 'c'], 'followpaths-encoded': '1' },
      { only: ['a+b ä', 'c'], except: [] },
    ],
    [
      'patterns of a frontend of its own',
      { 'include-patterns': 'src', 'exclude-patterns': ['*.md', '!a.md'] },
      { only: ['src'], except: ['*.md', '!a.md'] },
    ],
  ])('%s', async (_case, headers, expected) => {
    expect(await selectionOf(headers)).toEqual(expected)
  })

  test('is as long as a generated Dockerfile makes it', async () => {
    const paths = Array.from({ length: 900 }, (_, i) => `${'long/'.repeat(20)}${i}`)
    expect(await selectionOf({ followpaths: paths })).toEqual({ only: paths, except: [] })
  })
})

describe('refused', () => {
  test.each(['', 'other', '../context'])('a folder that is not offered: %j', async (name) => {
    const status = await session(memoryFiles({}), ({ stream }) =>
      statusOf(stream(DIFF_COPY, { 'dir-name': name })),
    )
    expect(status).toBe(NOT_FOUND)
  })

  test.each([
    ['a file that was not listed', [7]],
    ['a file twice', [0, 0]],
    ['a folder', [1]],
  ])('%s', async (_case, ids) => {
    const files = folderFiles(async function* () {
      yield sentFile('a', nothing)
      yield { ...sentFile('b', nothing), type: 'directory' as const }
    })
    let status: number | undefined
    const { engine } = await scriptedBuildKit(async ({ stream, say, response }) => {
      const call = stream(DIFF_COPY, CONTEXT)
      const ended = statusOf(call)
      await once(call, 'data')
      for (const id of ids) call.write(framed(message({ 1: 1, 3: id })))
      status = await ended
      say({ error: 'no' })
      response.end()
    })
    await expect(engine.build(buildRequest({ files }))).rejects.toThrow('not listed, or twice')
    expect(status).toBe(INTERNAL)
  })
})

test('a file that breaks ends the call at once, although others are still being sent', async () => {
  const broken = new Error('the disk went away')
  const files = folderFiles(async function* () {
    for (const path of ['a', 'b', 'c']) {
      yield sentFile(path, async function* () {
        if (path === 'a') throw broken
        yield Buffer.alloc(100_000)
      })
    }
  })
  let ended: unknown
  const { engine } = await scriptedBuildKit(async ({ stream, say, response }) => {
    const call = stream(DIFF_COPY, CONTEXT)
    const status = statusOf(call)
    for (const id of [0, 1, 2]) call.write(framed(message({ 1: 1, 3: id })))
    ended = await status
    say({ error: 'failed to read the context' })
    response.end()
  })
  await expect(engine.build(buildRequest({ files }))).rejects.toBe(broken)
  expect(ended).toBe(INTERNAL)
})

test('a file is read only as fast as it is taken', async () => {
  let read = 0
  const endless = async function* () {
    for (;;) {
      read += 65_536
      yield Buffer.alloc(65_536)
    }
  }
  const files = folderFiles(async function* () {
    yield sentFile('big', endless)
  })
  await session(files, async ({ stream }) => {
    const call = stream(DIFF_COPY, CONTEXT)
    call.write(framed(message({ 1: 1 })))
    await once(call, 'readable')
    let before = -1
    while (read !== before) {
      before = read
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    call.destroy()
  })
  expect(read).toBeLessThan(2 ** 20)
})
