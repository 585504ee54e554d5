import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ProfileStore, profileNameFor } from '../../src/config/profiles.ts'
import { temporaryFolder } from './temporary-folder.ts'

function store() {
  const folder = join(temporaryFolder(), 'imgctl')
  return { folder, profiles: new ProfileStore(folder) }
}

test('no file is an empty config', async () => {
  const { profiles } = store()
  const config = await profiles.read()
  expect([config.active, config.profiles.size]).toEqual([undefined, 0])
})

test('a saved profile is active, in a 0600 file in a 0700 folder, and nothing else is left', async () => {
  const { folder, profiles } = store()
  const umask = process.umask(0o022)
  try {
    await profiles.save('work', { server: 'https://images.example' })
  } finally {
    process.umask(umask)
  }
  expect((await profiles.read()).active).toBe('work')
  expect(statSync(profiles.file).mode & 0o777).toBe(0o600)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(readdirSync(folder)).toEqual(['.locks', 'config.json'])
})

test('keys that are not known here are kept', async () => {
  const { folder, profiles } = store()
  mkdirSync(folder)
  const before = { future: { a: 1 }, profiles: { work: { server: 'https://a.example', color: 'red' } } }
  writeFileSync(profiles.file, JSON.stringify(before))
  await profiles.save('work', { server: 'https://b.example' })
  await profiles.save('home', { server: 'https://c.example' })
  expect(JSON.parse(readFileSync(profiles.file, 'utf8'))).toEqual({
    future: { a: 1 },
    activeProfile: 'home',
    profiles: {
      work: { server: 'https://b.example', color: 'red' },
      home: { server: 'https://c.example' },
    },
  })
})

test.each(['{', '[]', 'null', '"x"'])(
  'a file with %s is an error that names it, and it stays',
  async (text) => {
    const { folder, profiles } = store()
    mkdirSync(folder)
    writeFileSync(profiles.file, text)
    const error = { code: 'FILE_UNREADABLE', message: expect.stringContaining(profiles.file) }
    await expect(profiles.read()).rejects.toMatchObject(error)
    await expect(profiles.save('a', { server: 'https://x' })).rejects.toMatchObject(error)
    expect(readFileSync(profiles.file, 'utf8')).toBe(text)
  },
)

test('removing the active profile leaves none active', async () => {
  const { profiles } = store()
  await profiles.save('a', { server: 'https://a.example' })
  await profiles.save('b', { server: 'https://b.example' })
  await profiles.remove('b')
  const config = await profiles.read()
  expect([config.active, [...config.profiles.keys()]]).toEqual([undefined, ['a']])
})

test('an unknown profile is an error that names the known ones', async () => {
  const { profiles } = store()
  await profiles.save('a', { server: 'https://a.example' })
  const error = { code: 'PROFILE_NOT_FOUND', hint: expect.stringContaining('a') }
  await expect(profiles.activate('nope')).rejects.toMatchObject(error)
  await expect(profiles.remove('nope')).rejects.toMatchObject(error)
})

test.each(['', '-x', 'a b', '../x', 'a/b', 'x'.repeat(65)])('%j cannot be a name', async (name) => {
  const { profiles } = store()
  await expect(profiles.save(name, { server: 'https://x' })).rejects.toMatchObject({ code: 'USAGE' })
})

test.each([
  ['http://127.0.0.1:7700', 'local'],
  ['http://127.0.0.1:9999', '127.0.0.1-9999'],
  ['https://images.example', 'work'],
  ['https://other.example', 'other.example'],
])('a login to %s goes to profile %s', async (server, name) => {
  const { profiles } = store()
  await profiles.save('work', { server: 'https://images.example' })
  await profiles.save('local', { server: 'http://127.0.0.1:7700' })
  expect(profileNameFor(server, await profiles.read())).toBe(name)
})
