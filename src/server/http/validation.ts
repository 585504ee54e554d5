import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/** A whole decimal number; `1.5`, `0x10`, `1e3`, ` 5` and `` stay text and fail where a number is required. */
const NUMBER = /^-?\d{1,15}$/
const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, false: false }
/** What the keyword says about the value is in the errors of its parts. */
const UNHELPFUL = new Set(['boolean', 'anyOf'])

/**
 * Checks requests against their TypeBox schemas. Text from a query or path becomes a number or boolean where
 * the schema has one; a body is taken as it is.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = Compile(schema)
  return (value: unknown) => {
    const typed = httpPart === 'body' ? value : readText(schema, value)
    if (check.Check(typed)) return { value: typed }
    const error: FastifySchemaValidationError[] = check.Errors(typed)
    return { error }
  }
}

/** One line naming the first bad field, from its path and rule only: a value may be a secret. */
export function schemaErrorFormatter(errors: FastifySchemaValidationError[], part: string): Error {
  const unknown = errors.find(({ keyword }) => keyword === 'additionalProperties')
  const first = unknown ?? errors.find(({ keyword }) => !UNHELPFUL.has(keyword)) ?? errors[0]
  const place = first?.instancePath.slice(1).replaceAll('/', '.') || part
  return new Error(first ? `${place}: ${ruleOf(first)}` : `${part}: is not acceptable`)
}

function ruleOf({ keyword, params, message }: FastifySchemaValidationError): string {
  const fields = params['additionalProperties'] ?? params['requiredProperties']
  if (Array.isArray(fields) && keyword === 'additionalProperties') return `unknown field ${quoted(fields)}`
  if (Array.isArray(fields) && keyword === 'required') return `missing field ${quoted(fields)}`
  const allowed = params['allowedValues']
  if (keyword === 'enum' && Array.isArray(allowed)) return `must be one of ${allowed.join(', ')}`
  return message ?? 'is not acceptable'
}

function quoted(names: readonly unknown[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ')
}

function readText(schema: TSchema, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const properties = 'properties' in schema ? (schema.properties as Record<string, TSchema>) : {}
  const read = ([name, text]: [string, unknown]) => [name, readScalar(properties[name], text)]
  return Object.fromEntries(Object.entries(value).map(read))
}

function readScalar(schema: TSchema | undefined, text: unknown): unknown {
  if (typeof text !== 'string' || !schema || !('type' in schema)) return text
  if (schema.type === 'integer' || schema.type === 'number') return NUMBER.test(text) ? Number(text) : text
  if (schema.type === 'boolean') return BOOLEANS[text] ?? text
  return text
}
