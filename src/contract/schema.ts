import Type, { type TSchema } from 'typebox'

/** A body or query whose unknown fields are an error (400), never kept. */
export function Strict<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false })
}

export function Nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()])
}

/** RFC 3339, UTC, milliseconds. */
export function DateTime() {
  return Type.String({ format: 'date-time' })
}
