import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { KeychainStore } from '../../../src/auth/keychain/keychain-store.ts'
import type { Account, Credential } from '../../../src/ports/credentials.ts'
import { temporaryFolder } from '../../config/temporary-folder.ts'

const ACCOUNT: Account = { profile: 'work', server: 'https://images.example' }
const KEY: Credential = { kind: 'api-key', apiKey: 'img_secret' }

/** A keychain program that does what a test says, with stdin's text as `asked`. */
function keychain(body: string, environment: Record<string, string> = {}) {
  const folder = temporaryFolder()
  const file = join(folder, 'program.mjs')
  const seen = join(folder, 'seen.json')
  writeFileSync(
    file,
    `import { text } from 'node:stream/consumers'
     import { writeFileSync } from 'node:fs'
     const asked = await text(process.stdin)
     const { argv, env, execArgv, pid } = process
     writeFileSync(${JSON.stringify(seen)}, JSON.stringify({ asked, argv, env, execArgv, pid }))
     process.stdout.write('\\n')
     ${body}`,
  )
  const store = new KeychainStore({ environment, program: pathToFileURL(file) })
  return { store, seen: () => JSON.parse(readFileSync(seen, 'utf8')) }
}

const answer = (value: object) => `process.stdout.write(${JSON.stringify(JSON.stringify(value))})`

test('the secret goes over stdin, never in arguments or the environment', async () => {
  const environment = {
    PATH: process.env['PATH']!,
    IMGCTL_API_KEY: 'img_other',
    NODE_OPTIONS: '--no-warnings',
  }
  const { store, seen } = keychain(answer({ written: true }), environment)
  await store.write(ACCOUNT, KEY)
  const { asked, ...rest } = seen()
  expect(JSON.parse(asked)).toEqual({
    operation: 'write',
    account: 'work@https://images.example',
    secret: 'img_secret',
  })
  expect(JSON.stringify(rest)).not.toMatch(/img_secret|img_other|no-warnings/)
})

test('what is there, and what is not', async () => {
  expect(await keychain(answer({ secret: 'img_secret' })).store.read(ACCOUNT)).toEqual(KEY)
  expect(await keychain(answer({ secret: null })).store.read(ACCOUNT)).toBeUndefined()
  expect(await keychain(answer({ removed: true })).store.remove(ACCOUNT)).toBe(true)
})

test('a keychain that hangs is killed', async () => {
  const { store, seen } = keychain('setInterval(() => {}, 1000)')
  await expect(store.read(ACCOUNT)).rejects.toMatchObject({
    code: 'CREDENTIALS_UNAVAILABLE',
    message: expect.stringContaining('did not answer in 3 s'),
    hint: expect.stringContaining('IMGCTL_CREDENTIAL_STORE=file'),
  })
  expect(() => process.kill(seen().pid, 0)).toThrow('ESRCH')
})

test.each([
  ['refuses', answer({ failure: 'prompt\n  was dismissed\x1b[31m' }), 'prompt was dismissed\\x1b[31m'],
  ['crashes', 'process.exit(1)', 'asking it failed'],
  ['talks nonsense', "process.stdout.write('img_secret')", 'asking it failed'],
])('a keychain that %s is an error in words, without secrets', async (_, body, reason) => {
  const { store } = keychain(body)
  const error = await store.write(ACCOUNT, KEY).catch((thrown) => thrown)
  expect(error).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE', message: expect.stringContaining(reason) })
  expect(error.message).not.toContain('img_secret')
})

test('what is stored and cannot be read is told', async () => {
  const { store } = keychain(answer({ secret: '{"refreshToken":"secret"' }))
  const error = await store.read(ACCOUNT).catch((thrown) => thrown)
  expect(error).toMatchObject({
    code: 'CREDENTIALS_UNAVAILABLE',
    hint: expect.stringContaining('imgctl login'),
  })
  expect(error.message).not.toContain('secret"')
})
