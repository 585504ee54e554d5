import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { base64, credentialFolder } from './credential-folder.ts'

const USER = { username: 'user', password: 'secret' }
const ENTRY = { auth: base64('user:secret') }

test.each([
  ['registry.example', 'registry.example'],
  ['registry.example:5000', 'registry.example:5000'],
  ['https://registry.example', 'registry.example'],
  ['http://registry.example:5000', 'registry.example:5000'],
  ['https://registry.example/v1/', 'registry.example'],
  ['registry.example/v2/', 'registry.example'],
  ['Registry.Example', 'registry.example'],
  ['[::1]:5000', '[::1]:5000'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['https://index.docker.io/v1/', 'index.docker.io'],
  ['https://index.docker.io/v1/', 'registry-1.docker.io'],
  ['index.docker.io', 'docker.io'],
  ['docker.io', 'registry-1.docker.io'],
])('the key %s is for %s', async (key, host) => {
  const { credentials } = credentialFolder({ auths: { [key]: ENTRY } })
  expect(await credentials.credentialsFor(host)).toEqual(USER)
})

test.each([
  ['registry.example', 'registry.example:5000'],
  ['registry.example:5000', 'registry.example'],
  ['registry.example', 'evil.example'],
  ['registry.example', 'sub.registry.example'],
  ['registry.example', 'registry.example.evil.example'],
  ['https://registry.example@evil.example', 'registry.example'],
  ['https://evil.example/registry.example', 'registry.example'],
  ['https://index.docker.io/v1/', 'hub.docker.com'],
  ['docker.io.evil.example', 'docker.io'],
])('what is for %s is not given to %s', async (key, host) => {
  const { credentials } = credentialFolder({ auths: { [key]: ENTRY } })
  expect(await credentials.credentialsFor(host)).toBeUndefined()
})

test('the key that docker writes today goes before an older one', async () => {
  const old = { auth: base64('old:old') }
  const { credentials } = credentialFolder({
    auths: { 'https://registry.example/v1/': old, 'registry.example': ENTRY, 'docker.io': old },
  })
  expect(await credentials.credentialsFor('registry.example')).toEqual(USER)
})

test.each([
  ['a password with colons', { auth: base64('user:a:b:c') }, { username: 'user', password: 'a:b:c' }],
  ['an empty password', { auth: base64('user:') }, { username: 'user', password: '' }],
  ['zero bytes at the end', { auth: base64('user:secret\0\0') }, USER],
  ['letters beyond ASCII', { auth: base64('üser:pässwörd') }, { username: 'üser', password: 'pässwörd' }],
  ['plain fields', { username: 'user', password: 'secret' }, USER],
  ['an identity token', { auth: base64('<token>:'), identitytoken: 't' }, { identityToken: 't' }],
  ['an entry that a helper left', {}, undefined],
  ['an entry that is no object', 'x', undefined],
])('%s', async (_, entry, expected) => {
  const { credentials } = credentialFolder({ auths: { 'registry.example': entry } })
  expect(await credentials.credentialsFor('registry.example')).toEqual(expected)
})

test.each([['not base64!'], [base64('nocolon')], [base64(':secret')]])(
  'an auth that cannot be: %s',
  async (auth) => {
    const { credentials, configFile } = credentialFolder({ auths: { 'registry.example': { auth } } })
    const failed = credentials.credentialsFor('registry.example')
    await expect(failed).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining(configFile),
      hint: expect.stringContaining('docker login registry.example'),
    })
    await expect(failed).rejects.toMatchObject({ message: expect.not.stringContaining(auth) })
  },
)

test.each([['{"auths": '], ['[]'], ['"secret-in-it"'], ['']])(
  'a config that is no JSON object: %s',
  async (text) => {
    const { credentials, configFile } = credentialFolder(text)
    await expect(credentials.credentialsFor('registry.example')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: `${configFile} is not a JSON object`,
      hint: expect.stringContaining('docker login'),
    })
  },
)

test('sections of another type are no sections', async () => {
  const { credentials } = credentialFolder({ auths: [ENTRY], credHelpers: 'x', credsStore: 7 })
  expect(await credentials.credentialsFor('registry.example')).toBeUndefined()
})

test('no config, no credentials', async () => {
  const { credentials } = credentialFolder(undefined)
  expect(await credentials.credentialsFor('registry.example')).toBeUndefined()
  expect(await credentials.helpers()).toEqual([])
})

test('DOCKER_CONFIG names another folder', async () => {
  const elsewhere = credentialFolder({ auths: { 'registry.example': ENTRY } })
  const variables = { DOCKER_CONFIG: join(elsewhere.home, '.docker') }
  const { credentials } = credentialFolder({ auths: {} }, variables)
  expect(credentials.file).toBe(elsewhere.configFile)
  expect(await credentials.credentialsFor('registry.example')).toEqual(USER)
})

test.each([
  [''],
  ['../x'],
  ['a b'],
  ['a\nb'],
  ['registry.example\n'],
  ['user@host'],
  ['host:port'],
  ['-x'],
  ['a?b'],
])('%j is no host', async (host) => {
  const { credentials } = credentialFolder({ credsStore: 'never-run' })
  await expect(credentials.credentialsFor(host)).rejects.toMatchObject({ code: 'NAME_INVALID' })
})

test('reads what is there now, and writes nothing', async () => {
  const { credentials, home, configFile } = credentialFolder({ auths: { 'registry.example': ENTRY } })
  expect(await credentials.credentialsFor('registry.example')).toEqual(USER)
  writeFileSync(configFile, '{}')
  expect(await credentials.credentialsFor('registry.example')).toBeUndefined()
  expect(readdirSync(home, { recursive: true }).sort()).toEqual(['.docker', '.docker/config.json', 'bin'])
})

test('a config that is a folder is told', async () => {
  const { credentials, configFile } = credentialFolder(undefined)
  mkdirSync(configFile)
  await expect(credentials.credentialsFor('registry.example')).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.stringContaining(configFile),
  })
})
