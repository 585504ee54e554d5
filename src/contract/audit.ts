import Type, { type Static } from 'typebox'
import { DateTime, Nullable, Strict } from './schema.ts'

/** One change: who made it, what it was, when, and the request that it came with. */
export const AuditEntry = Type.Object(
  {
    id: Type.Integer(),
    at: DateTime(),
    action: Type.String({ description: '`image.delete`, `api-key.create`, `manifest.push` ...' }),
    target: Nullable(Type.String({ description: 'the name or id of what was changed' })),
    user: Nullable(Type.String()),
    key: Nullable(Type.String({ description: 'the name of the API key, when one was used' })),
    requestId: Type.String({ description: "the answer's X-Request-Id, and the log's" }),
    address: Type.String({ description: 'where the request came from' }),
  },
  { $id: 'AuditEntry' },
)
export type AuditEntry = Static<typeof AuditEntry>

export const MAX_AUDIT_LIMIT = 200
export const DEFAULT_AUDIT_LIMIT = 100

export const ListAuditQuery = Strict({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_AUDIT_LIMIT })),
  action: Type.Optional(
    Type.String({ maxLength: 100, description: '`image.delete`, or `image` for all of images' }),
  ),
  target: Type.Optional(Type.String({ maxLength: 600 })),
  user: Type.Optional(Type.String({ maxLength: 300 })),
  since: Type.Optional(Type.String({ format: 'date-time' })),
  cursor: Type.Optional(Type.Integer({ minimum: 1, description: 'nextCursor of the page before' })),
})
export type ListAuditQuery = Static<typeof ListAuditQuery>

export const AuditPage = Type.Object({
  items: Type.Array(AuditEntry),
  nextCursor: Nullable(Type.String()),
})
export type AuditPage = Static<typeof AuditPage>
