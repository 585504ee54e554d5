import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../config/temporary-folder.ts'
import { base64, credentialFolder } from './credential-folder.ts'

const entry = (user: string) => ({ auth: base64(`${user}:secret`) })
const user = (username: string) => ({ username, password: 'secret' })
const auths = (name: string, ...hosts: string[]) => ({
  auths: Object.fromEntries(hosts.map((host) => [host, entry(name)])),
})

function write(path: string, config: unknown): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, typeof config === 'string' ? config : JSON.stringify(config))
  return path
}

test('docker, then DOCKER_AUTH_CONFIG, then the file of the session, then that of the user', async () => {
  const folder = temporaryFolder()
  write(join(folder, 'run/containers/auth.json'), auths('session', 'a.example', 'b.example', 'c.example'))
  write(
    join(folder, 'config/containers/auth.json'),
    auths('user', 'a.example', 'b.example', 'c.example', 'd.example'),
  )
  const { credentials } = credentialFolder(auths('docker', 'a.example'), {
    DOCKER_AUTH_CONFIG: JSON.stringify(auths('variable', 'a.example', 'b.example')),
    XDG_RUNTIME_DIR: join(folder, 'run'),
    XDG_CONFIG_HOME: join(folder, 'config'),
  })
  expect(await credentials.credentialsFor('a.example')).toEqual(user('docker'))
  expect(await credentials.credentialsFor('b.example')).toEqual(user('variable'))
  expect(await credentials.credentialsFor('c.example')).toEqual(user('session'))
  expect(await credentials.credentialsFor('d.example')).toEqual(user('user'))
  expect(await credentials.credentialsFor('e.example')).toBeUndefined()
  expect(await credentials.others()).toEqual([
    'DOCKER_AUTH_CONFIG',
    join(folder, 'run/containers/auth.json'),
    join(folder, 'config/containers/auth.json'),
  ])
})

test('~/.config/containers when nothing says otherwise', async () => {
  const { credentials, home } = credentialFolder(undefined)
  expect(await credentials.others()).toEqual([])
  const file = write(join(home, '.config/containers/auth.json'), auths('user', 'quay.example'))
  expect(await credentials.others()).toEqual([file])
  expect(await credentials.credentialsFor('quay.example')).toEqual(user('user'))
})

test('REGISTRY_AUTH_FILE is read instead of both', async () => {
  const folder = temporaryFolder()
  write(join(folder, 'run/containers/auth.json'), auths('session', 'a.example', 'b.example'))
  const { credentials } = credentialFolder(undefined, {
    XDG_RUNTIME_DIR: join(folder, 'run'),
    REGISTRY_AUTH_FILE: write(join(folder, 'named.json'), auths('named', 'a.example')),
  })
  expect(await credentials.credentialsFor('a.example')).toEqual(user('named'))
  expect(await credentials.credentialsFor('b.example')).toBeUndefined()
})

describe("Podman's entries for parts of a registry", () => {
  const wanted = async (config: unknown, host: string, repository?: string, docker?: unknown) => {
    const file = write(join(temporaryFolder(), 'auth.json'), config)
    const { credentials, helper } = credentialFolder(docker, { REGISTRY_AUTH_FILE: file })
    helper('keeper', `echo '{"Username":"helper","Secret":"secret"}'`)
    return credentials.credentialsFor(host, repository === undefined ? {} : { repository })
  }
  const QUAY = {
    auths: Object.fromEntries(
      ['quay.example', 'quay.example/team', 'quay.example/team/sub/app'].map((key) => [key, entry(key)]),
    ),
  }

  test.each([
    ['team/sub/app', 'quay.example/team/sub/app'],
    ['team/sub/other', 'quay.example/team'],
    ['team/app', 'quay.example/team'],
    ['team', 'quay.example/team'],
    ['teams/app', 'quay.example'],
    ['other/team', 'quay.example'],
    [undefined, 'quay.example'],
  ])('the narrowest that holds %j counts: %s', async (repository, name) => {
    expect(await wanted(QUAY, 'quay.example', repository)).toEqual(user(name))
  })

  test.each([undefined, 'other/app', 'teamwork/app'])(
    'what is for team is not given to %j',
    async (repository) => {
      expect(await wanted(auths('team', 'quay.example/team'), 'quay.example', repository)).toBeUndefined()
      expect(await wanted(auths('team', 'quay.example/team'), 'other.example', 'team/app')).toBeUndefined()
    },
  )

  test('on Docker Hub too', async () => {
    expect(await wanted(auths('me', 'docker.io/me'), 'index.docker.io', 'me/app')).toEqual(user('me'))
  })

  test('the helper of the registry goes first', async () => {
    const config = { ...QUAY, credHelpers: { 'quay.example': 'keeper' } }
    expect(await wanted(config, 'quay.example', 'team/app')).toEqual(user('helper'))
  })

  test("in docker's config a path means nothing, as for docker", async () => {
    const docker = auths('docker', 'quay.example/v1')
    expect(await wanted({}, 'quay.example', 'team/app', docker)).toEqual(user('docker'))
  })
})

test("Podman's file may name helpers; the variable may not run any", async () => {
  const folder = temporaryFolder()
  const file = write(join(folder, 'auth.json'), { credHelpers: { 'a.example': 'keeper' } })
  const hostile = JSON.stringify({ credsStore: 'evil', credHelpers: { 'b.example': 'evil' } })
  const variables = { REGISTRY_AUTH_FILE: file, DOCKER_AUTH_CONFIG: hostile }
  const { credentials, helper } = credentialFolder(undefined, variables)
  helper('keeper', `echo '{"Username":"user","Secret":"secret"}'`)
  helper('evil', `echo '{"Username":"evil","Secret":"secret"}'`)
  expect(await credentials.credentialsFor('a.example')).toEqual(user('user'))
  expect(await credentials.credentialsFor('b.example')).toBeUndefined()
  expect((await credentials.helpers()).map(({ program }) => program)).toEqual(['docker-credential-keeper'])
})

test.each([
  ['DOCKER_AUTH_CONFIG', { DOCKER_AUTH_CONFIG: '["secret-in-it"]' }],
  ['an entry of it', { DOCKER_AUTH_CONFIG: '{"auths":{"a.example":{"auth":"secret-in-it"}}}' }],
])('%s that cannot be read is named, not quoted', async (_, variables) => {
  const { credentials } = credentialFolder(undefined, variables)
  const failure = credentials.credentialsFor('a.example')
  await expect(failure).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.stringContaining('DOCKER_AUTH_CONFIG'),
  })
  await expect(failure).rejects.not.toThrow('secret-in-it')
})

test('a broken file of Podman is named', async () => {
  const file = write(join(temporaryFolder(), 'auth.json'), '{')
  const { credentials } = credentialFolder(undefined, { REGISTRY_AUTH_FILE: file })
  await expect(credentials.credentialsFor('a.example')).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.stringContaining(file),
    hint: expect.stringContaining('podman login'),
  })
})
