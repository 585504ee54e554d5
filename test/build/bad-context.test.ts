import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openContext } from '../../src/build/context.ts'
import { contextFolders } from './temporary-folder.ts'

const make = contextFolders()
const DOCKERFILE = { 'context/Dockerfile': 'FROM scratch\n' }

test('a context that does not exist', async () => {
  const { root } = await make({})
  await expect(openContext({ folder: join(root, 'none') })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
})

test('a context that is a file, as its Dockerfile', async () => {
  const { folder } = await make(DOCKERFILE)
  const words = { dockerfile: '-f FILE', folder: 'DIR' }
  await expect(openContext({ folder: join(folder, 'Dockerfile'), words })).rejects.toMatchObject({
    code: 'USAGE',
    hint: 'name the folder with DIR, and a Dockerfile with -f FILE',
  })
})

test('a context through a link', async () => {
  const { folder, root } = await make(DOCKERFILE)
  await symlink('context', join(root, 'link'))
  expect((await openContext({ folder: join(root, 'link') })).root).toBe(folder)
})

test.each([
  ['no Dockerfile', {}, undefined, 'FILE_NOT_FOUND', "there is no Dockerfile 'Dockerfile'"],
  ['a named one that is not there', DOCKERFILE, 'context/Other', 'FILE_NOT_FOUND', 'Other'],
  ['a folder', { 'context/Dockerfile/x': 'x' }, undefined, 'FILE_UNREADABLE', 'it is a folder'],
  ['below a file', DOCKERFILE, 'context/Dockerfile/x', 'FILE_NOT_FOUND', 'there is no Dockerfile'],
  ['a circle', { 'context/Dockerfile': { symlink: 'Dockerfile' } }, undefined, 'FILE_UNREADABLE', 'circle'],
  [
    'a link to nothing',
    { 'context/Dockerfile': { symlink: 'x' } },
    undefined,
    'FILE_NOT_FOUND',
    'Dockerfile',
  ],
  ['a huge file', { 'context/Dockerfile': 'x'.repeat(5_000_000) }, undefined, 'TOO_LARGE', '5000000 bytes'],
] as const)('a Dockerfile that cannot be used: %s', async (_title, files, path, code, message) => {
  const { folder, root } = await make(files)
  const dockerfile = path === undefined ? {} : { dockerfile: { path: join(root, path) } }
  await expect(openContext({ folder, ...dockerfile })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  })
})

test.each([
  ['[a', '.dockerignore:2: the pattern is not valid'],
  ['a\\', '.dockerignore:2: the pattern is not valid'],
  ['[z-a]*', '.dockerignore:2: the pattern is not valid'],
  ['[]', '.dockerignore:2: the pattern is not valid'],
  ['\\p{L}*', '.dockerignore:2: the pattern is not valid'],
  ['*{2}', '.dockerignore:2: the pattern is not valid'],
  ['!', '.dockerignore:2: an exception needs a pattern'],
  ['!/', '.dockerignore:2: an exception needs a pattern'],
])('a bad line of an ignore file is named with its place: %j', async (line, message) => {
  const { folder } = await make({ ...DOCKERFILE, 'context/.dockerignore': `# first\n${line}\nb\n` })
  await expect(openContext({ folder })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message),
    context: [line],
  })
})

test('the ignore file of the Dockerfile is named in full', async () => {
  const { folder, root } = await make({ 'other/Dockerfile': 'FROM x', 'other/Dockerfile.dockerignore': '[' })
  const path = join(root, 'other/Dockerfile')
  await expect(openContext({ folder, dockerfile: { path } })).rejects.toMatchObject({
    message: expect.stringContaining(`${path}.dockerignore:1: `),
  })
})

test.each(['.dockerignore', 'Dockerfile.dockerignore'])(
  'an ignore file that cannot be read: %s',
  async (name) => {
    const { folder } = await make(DOCKERFILE)
    await mkdir(join(folder, name))
    await expect(openContext({ folder })).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('it is a folder'),
    })
  },
)

test('control characters of a bad line do not reach the terminal', async () => {
  const { folder } = await make({ ...DOCKERFILE, 'context/.dockerignore': '[\x1b[31m' })
  await expect(openContext({ folder })).rejects.toMatchObject({ context: ['[\\x1b[31m'] })
})

test('the default Dockerfile is the one in capitals when there are two', async () => {
  const { folder } = await make({ ...DOCKERFILE, 'context/dockerfile': 'FROM small\n' })
  expect((await openContext({ folder })).dockerfile.name).toBe('Dockerfile')
})

test('says which ignore file it took', async () => {
  const { folder } = await make(DOCKERFILE)
  expect((await openContext({ folder })).ignoreFile.shown).toBeUndefined()
  await writeFile(join(folder, '.dockerignore'), '')
  expect((await openContext({ folder })).ignoreFile.shown).toBe('.dockerignore')
  await writeFile(join(folder, 'Dockerfile.dockerignore'), '')
  await chmod(join(folder, 'Dockerfile.dockerignore'), 0o644)
  expect((await openContext({ folder })).ignoreFile).toMatchObject({
    shown: join(folder, 'Dockerfile.dockerignore'),
    ofDockerfile: true,
  })
})
