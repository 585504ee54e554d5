import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { serve, type TestServer } from '../program.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { newUser } from './user.ts'

let issuer: TestIssuer
let server: TestServer
beforeAll(async () => {
  issuer = await startIssuer()
  server = await serve(issuerArguments(issuer))
})
afterAll(async () => {
  await server.stop()
  await issuer.stop()
})
beforeEach(() => {
  issuer.answer = 'approve'
  issuer.tamper = undefined
  issuer.describe = undefined
  issuer.grants.length = 0
})

test('a login with a browser', async () => {
  const user = newUser()
  const { code, stdout, stderr, page } = await user.login(server.url)
  expect([code, stdout]).toEqual([0, ''])
  expect(stderr).toContain('✓ Successfully logged in!')
  expect(page).toMatchObject({ status: 200, text: expect.stringContaining('You are logged in') })
  expect(page.headers['content-security-policy']).toContain("default-src 'none'")
  expect(issuer.grants).toEqual(['authorization_code'])
  const who = await user.run(['whoami', '--format', 'json'])
  expect(JSON.parse(who.stdout)).toMatchObject({ profile: 'local', method: 'oauth', keyOrigin: 'file' })
  expect(issuer.grants).toEqual(['authorization_code'])
})
