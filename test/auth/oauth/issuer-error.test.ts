import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { openIssuer } from '../../../src/auth/oauth/issuer.ts'
import { createHttpDispatcher } from '../../../src/internal/http-dispatcher.ts'

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

async function open(issuer: string, environment: Record<string, string>): Promise<unknown> {
  const dispatcher = createHttpDispatcher(environment)
  const settings = { issuer, clientId: 'cli', audience: 'https://images.test' }
  try {
    return await openIssuer(settings, issuer, { dispatcher, userAgent: 'test' })
  } catch (error) {
    return error
  } finally {
    await dispatcher.destroy()
  }
}

test('an issuer that is not there, in plain words', async () => {
  const issuer = `http://127.0.0.1:${await closedPort()}`
  expect(await open(issuer, {})).toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: `cannot reach the issuer ${issuer}: connection refused`,
    hint: expect.stringContaining('imgctl doctor'),
  })
})

test('a proxy that is not there is named', async () => {
  const proxy = `127.0.0.1:${await closedPort()}`
  const error = await open('https://login.test', { HTTPS_PROXY: `http://ada:s3cret@${proxy}` })
  expect(error).toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: `cannot reach the issuer https://login.test: the proxy ${proxy} (HTTPS_PROXY) cannot be used: connection refused`,
    hint: 'check HTTPS_PROXY; NO_PROXY=HOST keeps a host from the proxy',
  })
  expect(JSON.stringify(error)).not.toContain('s3cret')
})
