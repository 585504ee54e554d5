/** OpenAPI 3.1.0, section 4.8: the fixed fields of its objects that a description of JSON routes uses. */
const FIELDS = {
  document: ['openapi', 'info', 'servers', 'paths', 'components', 'security', 'tags', 'externalDocs'],
  info: ['title', 'summary', 'description', 'version', 'license', 'contact', 'termsOfService'],
  operation: [
    'tags',
    'summary',
    'description',
    'operationId',
    'parameters',
    'requestBody',
    'responses',
    'deprecated',
    'security',
  ],
  parameter: ['name', 'in', 'description', 'required', 'deprecated', 'schema', 'style', 'explode', 'content'],
  requestBody: ['description', 'content', 'required'],
  response: ['description', 'headers', 'content', 'links'],
} as const
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']
const STATUS = /^(?:[1-5]\d\d|[1-5]XX|default)$/
const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string']

type Json = Record<string, unknown>
const entries = (value: unknown) => Object.entries((value ?? {}) as Record<string, Json>)

/** What in a document is not as OpenAPI 3.1 says (https://spec.openapis.org/oas/v3.1.0); empty when it is fine. */
export function structureProblems(document: Json): string[] {
  const problems: string[] = []
  const check = (ok: boolean, what: string) => void (ok || problems.push(what))
  const known = (where: string, value: unknown, fields: readonly string[]) => {
    for (const name of Object.keys(value as Json)) {
      check(fields.includes(name) || name.startsWith('x-'), `${where}: unknown field ${name}`)
    }
  }
  check(/^3\.1\.\d+$/.test(String(document['openapi'])), 'openapi: not 3.1')
  known('document', document, FIELDS.document)
  const info = document['info'] as Json
  known('info', info, FIELDS.info)
  check(typeof info['title'] === 'string' && typeof info['version'] === 'string', 'info: title and version')
  const components = document['components'] as Json
  const schemes = Object.keys(components['securitySchemes'] as Json)
  const operationIds = new Set<unknown>()

  for (const [path, item] of entries(document['paths'])) {
    check(path.startsWith('/'), `${path}: begins with a slash`)
    for (const [method, operation] of entries(item)) {
      const where = `${method} ${path}`
      check(METHODS.includes(method), `${where}: no method`)
      known(where, operation, FIELDS.operation)
      const id = operation['operationId']
      check(id === undefined || !operationIds.has(id), `${where}: operationId twice`)
      operationIds.add(id)
      checkParameters(where, path, (operation['parameters'] ?? []) as Json[])
      checkContent(`${where} body`, operation['requestBody'] as Json | undefined, FIELDS.requestBody)
      const responses = entries(operation['responses'])
      check(responses.length > 0, `${where}: no responses`)
      for (const [status, response] of responses) {
        check(STATUS.test(status), `${where}: status ${status}`)
        check(typeof response['description'] === 'string', `${where} ${status}: no description`)
        checkContent(`${where} ${status}`, response, FIELDS.response)
      }
      for (const requirement of (operation['security'] ?? []) as Json[]) {
        for (const name of Object.keys(requirement))
          check(schemes.includes(name), `${where}: security ${name}`)
      }
    }
  }
  for (const [name, schema] of entries(components['schemas'])) checkSchema(`schema ${name}`, schema)
  return problems

  function checkParameters(where: string, path: string, parameters: Json[]): void {
    const inPath = parameters.filter((parameter) => parameter['in'] === 'path')
    const templated = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name)
    check(
      JSON.stringify(inPath.map(({ name }) => name).sort()) === JSON.stringify(templated.sort()),
      `${where}: path parameters`,
    )
    const keys = new Set(parameters.map((parameter) => `${parameter['in']} ${parameter['name']}`))
    check(keys.size === parameters.length, `${where}: a parameter twice`)
    for (const parameter of parameters) {
      known(`${where} parameter`, parameter, FIELDS.parameter)
      check(['path', 'query', 'header', 'cookie'].includes(String(parameter['in'])), `${where}: in`)
      check(parameter['in'] !== 'path' || parameter['required'] === true, `${where}: required path parameter`)
      checkSchema(`${where} ${parameter['name']}`, parameter['schema'])
    }
  }

  function checkContent(where: string, value: Json | undefined, fields: readonly string[]): void {
    if (!value) return
    known(where, value, fields)
    for (const [type, media] of entries(value['content'])) {
      check(/^[\w.+-]+\/[\w.+*-]+$/.test(type), `${where}: media type ${type}`)
      checkSchema(`${where} ${type}`, media['schema'])
    }
  }

  function checkSchema(where: string, schema: unknown): void {
    if (typeof schema !== 'object' || schema === null) return void check(false, `${where}: no schema`)
    const { type, $ref, properties, items, anyOf, enum: values, required } = schema as Json
    check(!('nullable' in schema), `${where}: nullable is of OpenAPI 3.0`)
    for (const each of [type ?? []].flat()) check(TYPES.includes(String(each)), `${where}: type ${each}`)
    check(values === undefined || (Array.isArray(values) && values.length > 0), `${where}: enum`)
    check(required === undefined || Array.isArray(required), `${where}: required`)
    if ($ref !== undefined) {
      const name = /^#\/components\/schemas\/(.+)$/.exec(String($ref))?.[1] ?? ''
      check(name in (components['schemas'] as Json), `${where}: ${$ref} leads nowhere`)
    }
    for (const [name, each] of entries(properties)) checkSchema(`${where}.${name}`, each)
    if (items !== undefined) checkSchema(`${where}[]`, items)
    for (const each of (anyOf ?? []) as unknown[]) checkSchema(where, each)
  }
}
