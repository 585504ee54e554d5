import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createApp } from '../../../src/server/http/app.ts'
import { registryRoutes } from '../../../src/server/registry/routes.ts'
import { testContext } from '../registry-context.ts'

test.each([
  ['GET', '/v2/%zz', 400],
  ['GET', '/v2/acme/%zz/tags/list?n=1', 400],
  ['OPTIONS', '/v2/', 405],
])('%s %s is an error of the protocol', async (method, path, status) => {
  const ctx = await testContext()
  const app = await createApp(ctx, { api: [], registry: registryRoutes(ctx) })
  onTestFinished(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method })
  expect(answer.status).toBe(status)
  expect(await answer.json()).toEqual({ errors: [{ code: 'UNSUPPORTED', message: expect.any(String) }] })
})
