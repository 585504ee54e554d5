import { Compile } from 'typebox/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { API_ROWS } from './api-rows.ts'
import { structureProblems } from './openapi-structure.ts'
import { openWorld, type World } from './world.ts'

type Json = Record<string, unknown>
interface Operation {
  readonly responses: Record<string, { content?: Record<string, { schema: Json }> }>
}
interface Document extends Json {
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { schemas: Json }
}
/** Not JSON, or the description itself. */
const UNDESCRIBED = ['GET /metrics', 'GET /api/openapi.json']
const ROWS = Object.entries(API_ROWS).filter(([route]) => !UNDESCRIBED.includes(route))
let world: World
let document: Document
beforeAll(async () => {
  world = await openWorld()
  document = (await world.call('GET', '/api/openapi.json', { key: null })).as<Document>()
})
afterAll(() => world.close())

/** The description's own form of a path. */
const described = (pattern: string) => pattern.replace(/:(\w+)/g, '{$1}')

function problemsOf(schema: Json | undefined, value: unknown): unknown[] {
  if (schema === undefined) return ['not described']
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas })
  const standalone = JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')) as Json
  const [isValid, errors] = Compile(standalone).Errors(value)
  return isValid ? [] : errors
}

test('the document is OpenAPI 3.1', () => {
  expect(structureProblems(document)).toEqual([])
})

test('a document that is not is found out', () => {
  const paths = { x: { fetch: { responses: { '2': {} }, id: 1 } }, '/a/{b}': { get: { responses: {} } } }
  const broken = { ...document, openapi: '3.0.0', paths, extra: 1 }
  expect(structureProblems(broken)).toHaveLength(9)
})

test('every described route has a row, and the other way round', () => {
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const own = routes.filter((route) => !route.includes('/registry/token'))
  expect(own.sort()).toEqual(ROWS.map(([route]) => described(route)).sort())
})

/** What the description says of an answer; its status must be there. */
function schemaOf(route: string, status: string): Json | undefined {
  const [method = '', pattern = ''] = route.split(' ')
  const operation = document.paths[described(pattern)]![method.toLowerCase()]!
  expect(Object.keys(operation.responses)).toContain(status)
  return operation.responses[status]?.content?.['application/json']?.schema
}

test.each(ROWS)('%s answers what is described', async (route, row) => {
  const [method = ''] = route.split(' ')
  const { path, ...rest } = await row.request(world)
  const { status, text } = await world.call(method, path, rest)
  expect(status).toBe(row.ok)
  const schema = schemaOf(route, String(status))
  if (status !== 204) expect(problemsOf(schema, JSON.parse(text))).toEqual([])
})

test.each(ROWS.filter(([, { needs }]) => needs !== 'public'))(
  '%s refuses as is described',
  async (route, row) => {
    const [method = ''] = route.split(' ')
    const { path, ...rest } = await row.request(world)
    const { status, text } = await world.call(method, path, { key: null, ...rest })
    expect(status).toBe(401)
    expect(problemsOf(schemaOf(route, '4XX'), JSON.parse(text))).toEqual([])
  },
)

test('an answer that is not as described is found out', () => {
  const image = { $ref: '#/components/schemas/Image' }
  expect(problemsOf(image, { id: 1 }).length).toBeGreaterThan(0)
  expect(problemsOf(undefined, {})).toEqual(['not described'])
})
