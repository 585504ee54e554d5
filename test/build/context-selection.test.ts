import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type EntrySelection, openContext } from '../../src/build/context.ts'
import { followLinks } from '../../src/build/follow-links.ts'
import { contextFolders } from './temporary-folder.ts'

const make = contextFolders()

const FILES = {
  'context/Dockerfile': 'FROM scratch\n',
  'context/.dockerignore': 'src/secret\n*.log\n',
  'context/a.log': 'l',
  'context/a, b': '1',
  'context/[x].txt': 'x',
  'context/x.txt': 'y',
  'context/src/main.js': 'm',
  'context/src/secret': 's',
  'context/src/lib/util.js': 'u',
  'context/docs/guide.md': 'g',
  'context/docs/index.md': { symlink: '../README' },
  'context/README': 'r',
  'context/link': { symlink: 'src/lib' },
  'context/absolute': { symlink: '/docs' },
  'context/out': { symlink: '../../../etc/passwd' },
  'context/etc/passwd': 'p',
  'context/loop': { symlink: 'loop/again' },
  'context/one': { symlink: 'two' },
  'context/two': { symlink: 'one' },
}

async function pathsOf(selection: EntrySelection): Promise<string[]> {
  const { folder } = await make(FILES)
  const context = await openContext({ folder })
  const paths: string[] = []
  for await (const { path } of context.entries(selection)) paths.push(path)
  return paths
}

test.each<[string, EntrySelection, string[]]>([
  ['a file', { only: ['src/main.js'] }, ['src', 'src/main.js']],
  [
    'a folder, without what is ignored',
    { only: ['src'] },
    ['src', 'src/lib', 'src/lib/util.js', 'src/main.js'],
  ],
  ['an ignored file', { only: ['src/secret', 'a.log'] }, []],
  ['what is not there', { only: ['nosuch/x', '../../etc/hostname'] }, []],
  ['a path above the context', { only: ['../README'] }, ['README']],
  ['names of all kinds', { only: ['a, b', '[[]x].txt'] }, ['[x].txt', 'a, b']],
  ['a pattern', { only: ['src/*.js'] }, ['src', 'src/main.js']],
  [
    'a pattern that links match',
    { only: ['*/*.md'] },
    ['README', 'absolute', 'docs', 'docs/guide.md', 'docs/index.md', 'link', 'loop', 'one', 'out', 'two'],
  ],
  ['a link', { only: ['docs/index.md'] }, ['README', 'docs', 'docs/index.md']],
  ['a path through a link', { only: ['link/util.js'] }, ['link', 'src', 'src/lib', 'src/lib/util.js']],
  [
    'two paths through one link',
    { only: ['absolute/guide.md', 'absolute/index.md'] },
    ['README', 'absolute', 'docs', 'docs/guide.md', 'docs/index.md'],
  ],
  ['a link that leads out: as in the image', { only: ['out'] }, ['etc', 'etc/passwd', 'out']],
  ['links in a circle', { only: ['loop', 'one'] }, ['loop', 'one', 'two']],
  ['everything but patterns', { only: ['src', 'docs'], except: ['docs', 'src/lib'] }, ['src', 'src/main.js']],
  [
    'an exception of a pattern',
    { only: ['src'], except: ['src/*', '!src/lib'] },
    ['src', 'src/lib', 'src/lib/util.js'],
  ],
])('selects %s', async (_case, selection, expected) => {
  expect(await pathsOf(selection)).toEqual(expected)
})

test.each(['.', '/', 'src/..'])('%s is everything', async (path) => {
  expect(await pathsOf({ only: ['src', path] })).toEqual(await pathsOf({}))
})

test('a pattern that Go refuses selects everything: BuildKit refuses it as well', async () => {
  expect(await pathsOf({ only: ['a['] })).toEqual(await pathsOf({}))
})

describe('a link to the folder that it is in', () => {
  test('makes no end of paths', async () => {
    const { folder } = await make({ 'context/Dockerfile': '', 'context/here': { symlink: '.' } })
    expect(await followLinks(join(folder), ['here/here/here/x'])).toEqual(['here', 'x'])
  })
})
