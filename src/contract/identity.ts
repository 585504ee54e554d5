import Type, { type Static } from 'typebox'
import { DateTime, Nullable, Strict } from './schema.ts'

export const PERMISSIONS = [
  'read:images',
  'write:images',
  'delete:images',
  'read:registries',
  'write:registries',
  'delete:registries',
  'admin',
] as const
export const Permission = Type.Enum(PERMISSIONS)
export type Permission = (typeof PERMISSIONS)[number]

/** `img_` and 43 base64url characters (32 random bytes). */
export const API_KEY = /^img_[A-Za-z0-9_-]{43}$/

export const Organization = Type.Object({
  id: Type.String(),
  slug: Type.String(),
  name: Type.String(),
  createdAt: DateTime(),
})
export type Organization = Static<typeof Organization>

export const Me = Type.Object({
  id: Type.String(),
  name: Type.String(),
  email: Nullable(Type.String()),
  organization: Organization,
  permissions: Type.Array(Permission),
  /** The API key used, when one was. */
  keyName: Nullable(Type.String()),
})
export type Me = Static<typeof Me>

export const ApiKey = Type.Object({
  name: Type.String(),
  /** First 4 and last 3 characters; the value is never stored. */
  value: Type.String(),
  permissions: Type.Array(Permission),
  createdAt: DateTime(),
  expiresAt: Nullable(DateTime()),
  lastUsedAt: Nullable(DateTime()),
})
export type ApiKey = Static<typeof ApiKey>

export const CreateApiKey = Strict({
  name: Type.String({ minLength: 1, maxLength: 100 }),
  permissions: Type.Array(Permission, { minItems: 1, uniqueItems: true }),
  expiresAt: Type.Optional(Nullable(DateTime())),
})
export type CreateApiKey = Static<typeof CreateApiKey>

/** `value` whole: shown this one time. */
export const CreatedApiKey = ApiKey
export type CreatedApiKey = ApiKey

export const PushAccess = Type.Object({
  username: Type.String(),
  secret: Type.String(),
  registryUrl: Type.String({ description: 'host or host:port, without a scheme' }),
  registryId: Type.String(),
  project: Type.String({ description: "the organization's first path component" }),
  expiresAt: DateTime(),
})
export type PushAccess = Static<typeof PushAccess>
