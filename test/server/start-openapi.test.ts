import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'

interface Content {
  readonly content?: Record<string, { schema: unknown }>
}

interface OpenApi {
  readonly paths: Record<string, Record<string, OpenApiOperation>>
  readonly components: {
    readonly schemas: Record<string, { properties?: object }>
    readonly securitySchemes: object
  }
}

interface OpenApiOperation {
  readonly summary?: string
  readonly parameters?: readonly { name: string }[]
  readonly security?: unknown
  readonly requestBody?: Content
  readonly responses: Record<string, Content>
}

const schemaOf = (answer: Content | undefined) => answer?.content?.['application/json']?.schema

async function start(): Promise<RunningServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-openapi-'))
  const server = await startServer(serverSettings({ port: 0, dataDir, logLevel: 'silent' }))
  onTestFinished(async () => {
    await server.close()
    await rm(dataDir, { recursive: true })
  })
  return server
}

test('describes how a token for the registry is got', async () => {
  const { url } = await start()
  const { paths, components } = (await (await fetch(`${url}/api/openapi.json`)).json()) as OpenApi
  const { get: query, post: form } = paths['/api/registry/token']!
  for (const operation of [query!, form!]) {
    expect(operation.summary).toMatch(/token/)
    expect(schemaOf(operation.responses['200'])).toEqual({ $ref: '#/components/schemas/RegistryToken' })
    expect(schemaOf(operation.responses['401'])).toEqual({ $ref: '#/components/schemas/RegistryErrors' })
  }
  expect(query!.parameters?.map(({ name }) => name)).toEqual(['service', 'scope'])
  expect(query!.security).toEqual([{}, { basic: [] }])
  expect(Object.keys(form!.requestBody?.content ?? {})).toEqual(['application/x-www-form-urlencoded'])
  expect(components.securitySchemes).toHaveProperty('basic')
  const answer = await fetch(`${url}/api/registry/token?scope=a&scope=b&account=ann`)
  expect(answer.status).toBe(200)
  const described = components.schemas['RegistryToken']?.properties ?? {}
  expect(Object.keys(described)).toEqual(expect.arrayContaining(Object.keys((await answer.json()) as object)))
})
