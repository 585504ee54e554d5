import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { defaultName } from '../../src/build/default-name.ts'

const root = mkdtempSync(join(tmpdir(), 'imgctl-name-test-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const NOW = new Date('2024-01-02T03:04:05.678Z')
const ENVIRONMENT = { PATH: process.env['PATH'], HOME: root, GIT_CONFIG_NOSYSTEM: '1' }

function git(folder: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com']
  return execFileSync('git', ['-C', folder, ...identity, ...args], {
    env: ENVIRONMENT,
    encoding: 'utf8',
  }).trim()
}

function folderOf(name: string): string {
  const folder = join(mkdtempSync(join(root, 'case-')), name)
  mkdirSync(folder)
  return folder
}

function repository(name: string): { folder: string; commit: string } {
  const folder = folderOf(name)
  git(folder, 'init', '--quiet')
  writeFileSync(join(folder, 'a'), 'a')
  writeFileSync(join(folder, '.gitignore'), 'ignored\n')
  git(folder, 'add', '.')
  git(folder, 'commit', '--quiet', '-m', 'first')
  return { folder, commit: git(folder, 'rev-parse', '--short', 'HEAD') }
}

function nameOf(folder: string, environment: Record<string, string | undefined> = ENVIRONMENT) {
  return defaultName({ folder, environment, now: NOW })
}

test('the folder and the short commit', async () => {
  const { folder, commit } = repository('My App')
  expect(await nameOf(folder)).toEqual({ repository: 'my-app', tag: commit })
  writeFileSync(join(folder, 'ignored'), 'x')
  expect(await nameOf(folder)).toEqual({ repository: 'my-app', tag: commit })
})

test.each([
  ['a changed file', (folder: string) => writeFileSync(join(folder, 'a'), 'b')],
  ['a new file', (folder: string) => writeFileSync(join(folder, 'new'), 'n')],
  ['a removed file', (folder: string) => rmSync(join(folder, 'a'))],
])('%s makes it dirty', async (_title, change) => {
  const { folder, commit } = repository('app')
  change(folder)
  expect(await nameOf(folder)).toEqual({ repository: 'app', tag: `${commit}-dirty` })
})

test('a folder inside of a repository', async () => {
  const { folder, commit } = repository('app')
  mkdirSync(join(folder, 'service'))
  expect(await nameOf(join(folder, 'service'))).toEqual({ repository: 'service', tag: commit })
})

test.each([
  ['outside of git', () => folderOf('app'), ENVIRONMENT],
  ['without git', () => repository('app').folder, { ...ENVIRONMENT, PATH: '/nowhere' }],
  [
    'before the first commit',
    () => {
      const folder = folderOf('app')
      git(folder, 'init', '--quiet')
      return folder
    },
    ENVIRONMENT,
  ],
])('%s the time is the tag', async (_title, folder, environment) => {
  expect(await nameOf(folder(), environment)).toEqual({ repository: 'app', tag: '20240102T030405Z' })
})

test.each([
  ['日本', 'image'],
  ['_.Web--App._', 'web--app'],
  ['$(touch x)', 'touch-x'],
])('a folder named %j', async (name, expected) => {
  expect((await nameOf(folderOf(name))).repository).toBe(expected)
})

test('the repository is the one of the folder, whatever the variables of a hook say', async () => {
  const other = repository('other')
  const { folder, commit } = repository('app')
  const environment = { ...ENVIRONMENT, GIT_DIR: join(other.folder, '.git'), GIT_WORK_TREE: other.folder }
  expect((await nameOf(folder, environment)).tag).toBe(commit)
})

test('a repository cannot have a program of its own run', async () => {
  const { folder, commit } = repository('app')
  git(folder, 'config', 'core.fsmonitor', `touch ${join(root, 'ran')}; true`)
  expect((await nameOf(folder)).tag).toBe(commit)
  expect(existsSync(join(root, 'ran'))).toBe(false)
})

test('ends with the reason of its signal', async () => {
  const { folder } = repository('app')
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(defaultName({ folder, environment: ENVIRONMENT, now: NOW, signal })).rejects.toThrow('enough')
})
