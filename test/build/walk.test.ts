import type * as fs from 'node:fs/promises'
import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { openContext } from '../../src/build/context.ts'
import type { ContextEntry } from '../../src/build/context-entry.ts'
import { IgnorePatterns } from '../../src/build/ignore-patterns.ts'
import { walk } from '../../src/build/walk.ts'
import { contextFolders } from './temporary-folder.ts'

/** What happens to `readdir`. The tests may run as root, whom no mode stops: so it refuses by itself. */
const folders = vi.hoisted(() => ({ opened: [] as string[], closed: new Set<string>() }))

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof fs>()
  const readdir = (path: string, options: { withFileTypes: true }) => {
    folders.opened.push(path)
    if (folders.closed.has(path)) throw Object.assign(new Error('refused'), { code: 'EACCES' })
    return original.readdir(path, options)
  }
  return { ...original, readdir }
})

beforeEach(() => {
  folders.opened.length = 0
  folders.closed.clear()
})

const make = contextFolders()

const FILES = {
  'context/Dockerfile': 'FROM scratch\n',
  'context/node_modules/a/b/c.js': 'c',
  'context/node_modules/a/keep.txt': 'k',
  'context/node_modules/z/d.js': 'd',
  'context/src/lib/e.js': 'e',
}

/** The folders that are opened, the root as `.`. */
async function opened(ignore: string): Promise<string[]> {
  const { folder } = await make(FILES)
  await paths(folder, ignore)
  return folders.opened.map((path) => relative(folder, path) || '.')
}

async function paths(folder: string, ignore: string): Promise<string[]> {
  const walking = walk(folder, [IgnorePatterns.parse(ignore, 'ignore')])
  return (await all(walking)).map(({ path }) => path)
}

async function all(walking: AsyncIterable<ContextEntry>): Promise<ContextEntry[]> {
  const found: ContextEntry[] = []
  for await (const entry of walking) found.push(entry)
  return found
}

test.each([
  ['node_modules', ['.', 'src', 'src/lib']],
  ['**/node_modules\n!src', ['.', 'src', 'src/lib']],
  ['*\n!src', ['.', 'src', 'src/lib']],
  ['!**/*.txt\nnode_modules', ['.', 'src', 'src/lib']],
  ['node_modules\n!node_modules/a/keep.txt', ['.', 'node_modules', 'node_modules/a', 'src', 'src/lib']],
  ['node_modules\n!node_modules/a/keep*', ['.', 'node_modules', 'node_modules/a', 'src', 'src/lib']],
  [
    '*\n!node_modules/?/keep.txt',
    ['.', 'node_modules', 'node_modules/a', 'node_modules/a/b', 'node_modules/z'],
  ],
])('opens no ignored folder without need: %j', async (ignore, folders) => {
  expect(await opened(ignore)).toEqual(folders)
})

test('opens an ignored folder for an exception that may be anywhere', async () => {
  expect(await opened('node_modules\n!**/keep.txt')).toContain('node_modules/a/b')
})

test('sends names in the order of their bytes, and a folder before what is in it', async () => {
  const { folder } = await make({
    'context/b': '1',
    'context/a/z': '2',
    'context/a.txt': '3',
    'context/B': '4',
    'context/\uffee': '5',
    'context/\u{1f600}': '6',
  })
  expect(await paths(folder, '')).toEqual(['B', 'a', 'a/z', 'a.txt', 'b', '\uffee', '\u{1f600}'])
})

test('keeps modification times', async () => {
  const { folder } = await make(FILES)
  const context = await openContext({ folder })
  const [first] = await all(context.entries())
  expect(first).toMatchObject({ path: 'Dockerfile', mtimeNs: 1704164645000000000n })
})

test('on Windows a backslash in a pattern is a slash, and programs are known by their content', async () => {
  const { folder } = await make({
    ...FILES,
    'context/run.sh': '#!/bin/sh\n',
    'context/elf': { bytes: [0x7f, 0x45, 0x4c, 0x46, 2] },
    'context/empty': '',
    'context/text': { text: 'x', mode: 0o777 },
  })
  const patterns = IgnorePatterns.parse('.\\node_modules\\a\n*\\lib\\\n', 'ignore', 'win32')
  const entries = await all(walk(folder, [patterns], { platform: 'win32' }))
  expect(entries.map(({ path, mode }) => `${mode.toString(8)} ${path}`)).toEqual([
    '644 Dockerfile',
    '755 elf',
    '644 empty',
    '755 node_modules',
    '755 node_modules/z',
    '644 node_modules/z/d.js',
    '755 run.sh',
    '755 src',
    '644 text',
  ])
})

test('a folder that is needed and closed to us is named', async () => {
  const { folder } = await make(FILES)
  folders.closed.add(join(folder, 'src'))
  await expect(paths(folder, '')).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: "the folder 'src' cannot be read: permission denied",
  })
})

test('a closed folder that is ignored does no harm, not even where an exception may lie', async () => {
  const { folder } = await make(FILES)
  folders.closed.add(join(folder, 'node_modules'))
  expect(await paths(folder, 'node_modules\n')).toEqual(['Dockerfile', 'src', 'src/lib', 'src/lib/e.js'])
  expect(await paths(folder, 'node_modules\n!**/*.js')).toEqual([
    'Dockerfile',
    'src',
    'src/lib',
    'src/lib/e.js',
  ])
})

test('a name that is no UTF-8 is refused when it is needed', async () => {
  const { folder } = await make(FILES)
  await writeFile(Buffer.concat([Buffer.from(`${folder}/bad-`), Buffer.from([0xff])]), 'x')
  await expect(paths(folder, '')).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  expect(await paths(folder, 'bad-*')).toContain('Dockerfile')
})

test('ends with the reason of its signal', async () => {
  const { folder } = await make(FILES)
  const controller = new AbortController()
  const walking = walk(folder, [], { signal: controller.signal })
  await walking.next()
  controller.abort(new Error('enough'))
  await expect(walking.next()).rejects.toThrow('enough')
})
