import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createEngine } from '../../src/engine/engine.ts'
import { emptyEnvironment, temporaryFolder } from './scripted-engine.ts'

const MATERIAL = fileURLToPath(new URL('./tls/', import.meta.url))
const IMAGE = { Id: `sha256:${'a'.repeat(64)}` }

/** An engine that lets in only who has the client certificate, as dockerd --tlsverify does. */
async function secureEngine(): Promise<string> {
  const [ca, cert, key] = ['ca.pem', 'server.pem', 'server.key'].map((name) => readFileSync(MATERIAL + name))
  const options = { ca, cert, key, requestCert: true, rejectUnauthorized: true }
  const server = createServer(options, (_request, response) => {
    response.writeHead(200, { 'api-version': '1.41' }).end(JSON.stringify(IMAGE))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return `tcp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

async function inspectWith(variables: Record<string, string>) {
  const host = await secureEngine()
  const environment = { ...emptyEnvironment(await temporaryFolder()), variables }
  return createEngine({ host, environment }).inspectImage('app:1')
}

describe('an engine with TLS', () => {
  test('knows us by our certificate', async () => {
    await expect(inspectWith({ DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: MATERIAL })).resolves.toMatchObject({
      id: IMAGE.Id,
    })
  })

  test('is not believed without its authority', async () => {
    await expect(inspectWith({ DOCKER_TLS_VERIFY: '1' })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: expect.stringMatching(/certificate/),
    })
  })

  test('does not let us in without our certificate', async () => {
    await expect(inspectWith({ DOCKER_TLS: '1' })).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
  })

  test('is not spoken to in the clear', async () => {
    await expect(inspectWith({})).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
  })
})
