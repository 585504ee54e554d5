/** A JSON object from outside: each field is looked at before it is used. */
export type Fields = Readonly<Record<string, unknown>>

/** `value` as an object; one without fields when it is something else. */
export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

/** The string at `key`; undefined when it is empty or something else. */
export function stringAt(fields: Fields, key: string): string | undefined {
  const value = fields[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function numberAt(fields: Fields, key: string): number | undefined {
  const value = fields[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** The strings of the array at `key`; none when it is null or absent, as Go writes an empty list. */
export function stringsAt(fields: Fields, key: string): string[] {
  const value = fields[key]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
