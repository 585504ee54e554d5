import { appendFile, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract } from 'tar-stream'
import { expect, test } from 'vitest'
import { openContext } from '../../src/build/context.ts'
import { ContextTally } from '../../src/build/context-summary.ts'
import { contextTar } from '../../src/build/context-tar.ts'
import { openDescriptors } from '../archive/temporary-folder.ts'
import { listTar } from './list-tar.ts'
import { contextFolders } from './temporary-folder.ts'

const make = contextFolders()
const MEGABYTE = 1024 * 1024

const FILES = {
  'context/Dockerfile': 'FROM scratch\n',
  'context/a.txt': 'aaa',
  'context/src/main.js': 'm',
}

async function contents(tar: Readable): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const entry of tar.pipe(extract())) found[entry.header.name] = (await buffer(entry)).toString()
  return found
}

test('a tar of root, in a stable order, with the same bytes each time', async () => {
  const { folder } = await make({ ...FILES, 'context/mine': { text: 'm', owner: 1000 } })
  const context = await openContext({ folder })
  const [first, second] = [await buffer(contextTar(context)), await buffer(contextTar(context))]
  expect(first.equals(second)).toBe(true)
  expect(first.length % 512).toBe(0)
  expect(await listTar(contextTar(context))).toEqual([
    'f 644 13 Dockerfile',
    'f 644 3 a.txt',
    'f 644 1 mine',
    'd 755 src',
    'f 644 1 src/main.js',
  ])
})

test('names, links and times that do not fit into a plain header', async () => {
  const name = `${'d'.repeat(90)}/${'ü'.repeat(90)}/日本語 ${'n'.repeat(60)}.txt`
  const { folder } = await make({
    ...FILES,
    [`context/${name}`]: 'long',
    'context/old': 'o',
    'context/late': 'l',
  })
  await symlink('t'.repeat(300), join(folder, 'link'))
  await utimes(join(folder, 'old'), new Date('1960-01-01'), new Date('1960-01-01'))
  await utimes(join(folder, 'late'), new Date('2100-01-01'), new Date('2100-01-01'))
  const context = await openContext({ folder })
  const headers = new Map<string, { mtime: number; link: string | null | undefined }>()
  for await (const entry of contextTar(context).pipe(extract())) {
    entry.resume()
    headers.set(entry.header.name, { mtime: Number(entry.header.mtime), link: entry.header.linkname })
  }
  expect([...headers.keys()]).toContain(name)
  expect(headers.get('link')!.link).toBe('t'.repeat(300))
  expect(headers.get('old')!.mtime).toBe(0)
  expect(headers.get('late')!.mtime).toBe(Date.UTC(2100, 0, 1))
})

test.each([
  ['Dockerfile\n.dockerignore\n', '.dockerignore\nDockerfile\n'],
  ['Dockerfile\n', 'Dockerfile\n'],
  ['*\n', '.dockerignore\nDockerfile\n'],
])('an ignored Dockerfile is sent all the same, and hidden: %j', async (ignore, expected) => {
  const { folder } = await make({ 'context/Dockerfile': 'FROM scratch\n', 'context/.dockerignore': ignore })
  const context = await openContext({ folder })
  expect(await contents(contextTar(context))).toEqual({
    Dockerfile: 'FROM scratch\n',
    '.dockerignore': expected,
  })
})

test.each([
  [{}, ''],
  [{ 'context/.dockerignore': 'a.txt\n' }, 'a.txt\n\n'],
])('a Dockerfile from elsewhere has a name of its own: %j', async (files, rules) => {
  const { folder, root } = await make({ ...files, 'context/b': 'b', 'other/Dockerfile': 'FROM scratch\n' })
  const outside = await openContext({ folder, dockerfile: { path: join(root, 'other/Dockerfile') } })
  const given = await openContext({ folder, dockerfile: { content: Buffer.from('FROM scratch\n') } })
  const name = outside.dockerfile.name
  expect(name).toMatch(/^\.dockerfile\.[0-9a-f]{20}$/)
  expect(given.dockerfile.name).toBe(name)
  for (const context of [outside, given]) {
    expect(await contents(contextTar(context))).toEqual({
      ...{ b: 'b', [name]: 'FROM scratch\n' },
      '.dockerignore': `${rules || '.dockerignore\n'}${name}\n`,
    })
  }
})

test('a special name of a Dockerfile is hidden from the classic builder by itself alone', async () => {
  const { folder } = await make({ 'context/!a[1]*': 'FROM scratch\n', 'context/.dockerignore': '**\n' })
  const context = await openContext({ folder, dockerfile: { path: join(folder, '!a[1]*') } })
  const { '.dockerignore': rules } = await contents(contextTar(context))
  expect(rules).toBe('.dockerignore\n\\!a\\[1\\]\\*\n')
})

test('with an ignore file of the Dockerfile, the other one means nothing to the classic builder', async () => {
  const { folder } = await make({
    'context/Dockerfile': 'FROM scratch\n',
    'context/Dockerfile.dockerignore': 'Dockerfile*\n',
    'context/.dockerignore': 'b\n',
    'context/b': 'b',
  })
  const context = await openContext({ folder })
  expect(await contents(contextTar(context))).toEqual({
    ...{ b: 'b', Dockerfile: 'FROM scratch\n' },
    '.dockerignore': 'b\n\n!**\nDockerfile\n',
  })
})

test('a file of no permissions keeps them', async () => {
  const { folder } = await make({ ...FILES, 'context/none': { text: 'n', mode: 0o000 } })
  const listed = await listTar(contextTar(await openContext({ folder })))
  expect(listed).toContain('f 000 1 none')
})

test('counts what is sent, with the largest files', async () => {
  const sizes = [5, 1, 9, 0, 7, 3, 8]
  const files = Object.fromEntries(sizes.map((size) => [`context/f${size}`, 'x'.repeat(size)]))
  const { folder } = await make({ ...FILES, ...files })
  const tally = new ContextTally()
  const onEntry = tally.add.bind(tally)
  await buffer(contextTar(await openContext({ folder }), { onEntry }))
  expect(tally.summary()).toEqual({
    files: 3 + sizes.length,
    bytes: 17 + 33,
    largest: [
      { path: 'Dockerfile', bytes: 13 },
      { path: 'f9', bytes: 9 },
      { path: 'f8', bytes: 8 },
      { path: 'f7', bytes: 7 },
      { path: 'f5', bytes: 5 },
    ],
  })
})

test('a large file is read only as fast as it is taken', async () => {
  const { folder } = await make(FILES)
  await sparse(join(folder, 'big'), 64 * MEGABYTE)
  const tar = contextTar(await openContext({ folder }))
  let taken = 0
  for await (const chunk of tar as AsyncIterable<Buffer>) {
    taken += chunk.length
    expect(tar.readableLength).toBeLessThanOrEqual(MEGABYTE)
  }
  expect(taken).toBeGreaterThan(64 * MEGABYTE)
})

test.each([
  ['grew', (path: string) => appendFile(path, 'more')],
  ['shrank', (path: string) => truncate(path, MEGABYTE)],
] as const)('a file that %s while it is sent ends the tar', async (how, change) => {
  const { folder } = await make(FILES)
  const path = join(folder, 'big')
  await sparse(path, 8 * MEGABYTE)
  const before = openDescriptors()
  const tar = contextTar(await openContext({ folder }))
  const reading = (async () => {
    let changed = false
    let taken = 0
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      taken += chunk.length
      if (taken > MEGABYTE && !changed) {
        changed = true
        await change(path)
      }
    }
  })()
  await expect(reading).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: `'big' ${how} while it was sent`,
    retryable: true,
  })
  expect(openDescriptors()).toBe(before)
})

test('leaves no file open when its reader goes after a header', async () => {
  const { folder } = await make(FILES)
  const context = await openContext({ folder })
  const before = openDescriptors()
  const tar = contextTar(context)
  tar.read(0)
  await expect.poll(() => tar.readableLength).toBe(512)
  const closed = new Promise((resolve) => tar.once('close', resolve))
  tar.destroy()
  await closed
  await expect.poll(openDescriptors).toBe(before)
})

test('stops at its signal and when its reader goes, and leaves no file open', async () => {
  const { folder } = await make(FILES)
  await sparse(join(folder, 'big'), 8 * MEGABYTE)
  const context = await openContext({ folder })
  const before = openDescriptors()
  const controller = new AbortController()
  const aborted = (async () => {
    const tar = contextTar(context, { signal: controller.signal })
    let taken = 0
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      taken += chunk.length
      if (taken > MEGABYTE) controller.abort(new Error('enough'))
    }
  })()
  await expect(aborted).rejects.toThrow('enough')
  const left = contextTar(context)
  const closed = new Promise((resolve) => left.once('close', resolve))
  for await (const chunk of left as AsyncIterable<Buffer>) if (chunk.length > 100_000) break
  await closed
  expect(openDescriptors()).toBe(before)
})

test.each([
  ['is gone', async (path: string) => rm(path)],
  ['became a link', async (path: string) => rm(path).then(() => symlink('/etc/hostname', path))],
])('a file that %s when its turn comes is an error', async (_how, change) => {
  const { folder } = await make({ ...FILES, 'context/b.txt': 'b' })
  const context = await openContext({ folder })
  const reading = buffer(
    contextTar({
      ...context,
      async *entries(selection) {
        for await (const entry of context.entries(selection)) {
          if (entry.path === 'b.txt') await change(entry.source)
          yield entry
        }
      },
    }),
  )
  await expect(reading).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
})

async function sparse(path: string, size: number): Promise<void> {
  await writeFile(path, '')
  await truncate(path, size)
}
