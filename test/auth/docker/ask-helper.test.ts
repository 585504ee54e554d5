import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { findProgram } from '../../../src/auth/docker/helper-program.ts'
import { temporaryFolder } from '../../config/temporary-folder.ts'
import { base64, credentialFolder } from './credential-folder.ts'

const SECRET = 'S3cret-of-helper'
const ANSWER = `echo '{"ServerURL":"x","Username":"user","Secret":"${SECRET}"}'`
const FROM_HELPER = { username: 'user', password: SECRET }

test.each([
  ['registry.example:5000', 'registry.example:5000'],
  ['docker.io', 'https://index.docker.io/v1/'],
  ['registry-1.docker.io', 'https://index.docker.io/v1/'],
])('a helper is asked for %s as %s, on stdin', async (host, asked) => {
  const { credentials, helper, home } = credentialFolder({ credsStore: 'real' })
  const heard = join(home, 'heard')
  helper('real', `{ echo "$@"; cat; } > '${heard}'\n${ANSWER}`)
  expect(await credentials.credentialsFor(host)).toEqual(FROM_HELPER)
  expect(readFileSync(heard, 'utf8')).toBe(`get\n${asked}`)
})

test("a registry's own helper, then the one of all registries, then the config", async () => {
  const auths = { 'other.example': { auth: base64('file:file') } }
  const { credentials, helper } = credentialFolder({
    auths,
    credsStore: 'all',
    credHelpers: { 'own.example': 'own', 'https://plain.example/v1/': '' },
  })
  helper('own', `echo '{"Username":"own","Secret":"own"}'`)
  helper('all', `echo '{"Username":"all","Secret":"all"}'`)
  expect(await credentials.credentialsFor('own.example')).toMatchObject({ username: 'own' })
  expect(await credentials.credentialsFor('other.example')).toMatchObject({ username: 'all' })
  expect(await credentials.credentialsFor('plain.example')).toBeUndefined()
})

test('the user <token> makes the secret an identity token', async () => {
  const { credentials, helper } = credentialFolder({ credsStore: 'real' })
  helper('real', `echo '{"Username":"<token>","Secret":"${SECRET}"}'`)
  expect(await credentials.credentialsFor('registry.example')).toEqual({ identityToken: SECRET })
})

test.each([
  ['credentials not found in native keychain'],
  ['credentials not found'],
  ['Credentials not found in keychain'],
])('%j means that there are none, also when the config has some', async (message) => {
  const auths = { 'registry.example': { auth: base64('file:file') } }
  const { credentials, helper } = credentialFolder({ auths, credsStore: 'real' })
  helper('real', `cat > /dev/null; echo '${message}'; exit 1`)
  expect(await credentials.credentialsFor('registry.example')).toBeUndefined()
})

test.each([
  ['fails with a message', 'echo "pass not initialized"; exit 1', 'failed (exit 1): pass not initialized'],
  ['fails with escapes', String.raw`printf '\033[31mred\n'; exit 2`, 'failed (exit 2): \\x1b[31mred'],
  ['fails without a word', 'exit 3', 'failed (exit 3)'],
  ['fails and writes an answer', `${ANSWER}; exit 1`, 'failed (exit 1)'],
  ['is killed', 'kill -KILL $$', 'failed (SIGKILL)'],
  ['writes no JSON', 'echo hello', 'answered with no credentials'],
  ['writes other JSON', 'echo "[1]"', 'answered with no credentials'],
  ['has no secret', `echo '{"Username":"user","Secret":""}'`, 'answered with no credentials'],
  ['writes without end', `yes '${SECRET}'`, 'wrote too much'],
])('a helper that %s is named', async (_, script, message) => {
  const { credentials, helper, configFile } = credentialFolder({ credsStore: 'broken' })
  helper('broken', script)
  const error: unknown = await credentials.credentialsFor('registry.example').catch((thrown) => thrown)
  expect(error).toMatchObject({
    code: 'CREDENTIALS_UNAVAILABLE',
    exitCode: 4,
    message: `the credential helper docker-credential-broken ${message}`,
    hint: `see whether it works: docker-credential-broken list; it is named in ${configFile}`,
  })
  expect(inspect(error, { depth: 10 })).not.toContain(SECRET)
})

test('a helper that nobody may run is told as one that is not there', async () => {
  const { credentials, helper } = credentialFolder({ credsStore: 'locked' })
  chmodSync(helper('locked', ANSWER), 0o644)
  await expect(credentials.credentialsFor('registry.example')).rejects.toMatchObject({
    code: 'CREDENTIALS_UNAVAILABLE',
    message: expect.stringContaining('"locked", which is not on PATH (docker-credential-locked)'),
  })
})

test.each([
  ['../x'],
  ['/bin/sh'],
  ['a b'],
  ['x;touch pwned'],
  ['$(touch pwned)'],
  ['-x'],
  ['.'],
  ['x\\y'],
  ['x\0y'],
])('%j is no helper', async (name) => {
  const { credentials, home } = credentialFolder({ credHelpers: { 'registry.example': name } })
  mkdirSync(join(home, 'bin', 'docker-credential-..'))
  writeFileSync(join(home, 'bin', 'x'), `#!/bin/sh\ntouch '${home}/pwned'\n${ANSWER}`, { mode: 0o755 })
  await expect(credentials.credentialsFor('registry.example')).rejects.toMatchObject({
    code: 'CREDENTIALS_UNAVAILABLE',
    message: expect.stringContaining('which cannot be the name of one'),
  })
  expect(existsSync(join(home, 'pwned'))).toBe(false)
  expect(await credentials.helpers()).toEqual([{ program: name, host: 'registry.example', path: undefined }])
})

test('helpers are told without being run', async () => {
  const { credentials, helper } = credentialFolder({
    credsStore: 'all',
    credHelpers: { 'own.example': 'gone' },
  })
  const path = helper('all', 'exit 1')
  expect(await credentials.helpers()).toEqual([
    { program: 'docker-credential-all', host: undefined, path },
    { program: 'docker-credential-gone', host: 'own.example', path: undefined },
  ])
})

test('a helper that never answers is given up', async () => {
  const { credentials, helper } = credentialFolder({ credsStore: 'hung' }, {}, { helperTimeoutMs: 200 })
  helper('hung', 'exec sleep 60')
  await expect(credentials.credentialsFor('registry.example')).rejects.toMatchObject({
    code: 'CREDENTIALS_UNAVAILABLE',
    message: 'the credential helper docker-credential-hung gave no answer in 0.2 s',
  })
})

test('an interrupt ends the helper', async () => {
  const { credentials, helper, home } = credentialFolder({ credsStore: 'slow' })
  const started = join(home, 'started')
  helper('slow', `touch '${started}'; exec sleep 60`)
  const controller = new AbortController()
  const asked = credentials.credentialsFor('registry.example', { signal: controller.signal })
  while (!existsSync(started)) await new Promise((resolve) => setTimeout(resolve, 5))
  controller.abort(new Error('stopped'))
  await expect(asked).rejects.toThrow('stopped')
})

test('relative folders on PATH, and the current one, are not looked in', async () => {
  const folder = temporaryFolder()
  const program = join(folder, 'docker-credential-x')
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 })
  const find = (path: string) => findProgram('docker-credential-x', { PATH: path }, 'linux')
  expect(await find(`:.:${folder}`)).toBe(program)
  expect(await find(`:.:${relative(process.cwd(), folder)}`)).toBeUndefined()
})
