import Type, { type Static } from 'typebox'
import { DateTime, Nullable, Strict } from './schema.ts'

/** The states of an image, in the order in which they are passed. */
export const IMAGE_STATES = [
  'build_pending',
  'building',
  'pending',
  'pulling_image',
  'pending_validation',
  'validating',
  'active',
  'error',
  'removing',
] as const
export const ImageState = Type.Enum(IMAGE_STATES)
export type ImageState = (typeof IMAGE_STATES)[number]

/** Why an image is in `error`. Each has a hint and is reached by a test. */
export const REASON_CODES = [
  'ARCH_MISMATCH',
  'MANIFEST_INVALID',
  'BLOB_MISSING',
  'DIGEST_MISMATCH',
  'TOO_LARGE',
  'QUOTA_EXCEEDED',
  'NO_ENTRYPOINT',
  'UPSTREAM_NOT_FOUND',
  'UPSTREAM_AUTH',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_UNREACHABLE',
  'SOURCE_FORBIDDEN',
  'TIMEOUT',
  'INTERNAL',
] as const
export type ReasonCode = (typeof REASON_CODES)[number]

export const Reason = Type.Object({
  code: Type.Enum(REASON_CODES),
  message: Type.String(),
  hint: Type.String({ minLength: 1 }),
  /** The server tries again by itself (while the state is not `error`), or a `retry` may help. */
  retryable: Type.Boolean(),
  at: DateTime(),
  attempt: Type.Integer({ minimum: 1 }),
  /** When the server tries again by itself; absent when it does not. */
  nextTryAt: Type.Optional(DateTime()),
})
export type Reason = Static<typeof Reason>

export const ImageSource = Type.Object({
  kind: Type.Enum(['pushed', 'registry', 'build', 'container']),
  /** For `registry`: the upstream reference. */
  reference: Type.Optional(Type.String()),
})
export type ImageSource = Static<typeof ImageSource>

export const Visibility = Type.Enum(['private', 'public'])
export const MAX_LABELS = 64
export const MAX_LABEL_KEY = 128
/** A shell script in one argument fits; rows and lists of images stay small. */
export const MAX_ARGUMENT = 4096
export const Labels = Type.Record(Type.String(), Type.String({ maxLength: 1024 }), {
  maxProperties: MAX_LABELS,
  // A record's own key type is for TypeScript only: no rule of it is checked.
  propertyNames: { maxLength: MAX_LABEL_KEY },
})
const Entrypoint = Type.Array(Type.String({ maxLength: MAX_ARGUMENT }), { maxItems: 256 })

export const Image = Type.Object(
  {
    id: Type.String(),
    organizationId: Type.String(),
    name: Type.String({ description: '`app:1.0`, unique in the organization' }),
    reference: Type.String({ description: '`HOST/ORG/app:1.0`: pull this' }),
    digest: Nullable(Type.String()),
    source: ImageSource,
    state: ImageState,
    step: Nullable(Type.String({ description: 'what the server does now, in words' })),
    reason: Nullable(Reason),
    errorReason: Nullable(Type.String({ description: "the reason's message, for older clients" })),
    enabled: Type.Boolean(),
    general: Type.Boolean(),
    size: Nullable(Type.Number({ description: 'GB = bytes / 1024^3, for older clients' })),
    sizeBytes: Nullable(Type.Integer({ description: 'config and layers, compressed' })),
    /** May be the image's own, which nobody limits. */
    entrypoint: Nullable(Type.Array(Type.String())),
    platform: Nullable(Type.String({ description: '`linux/amd64`' })),
    labels: Labels,
    visibility: Visibility,
    description: Nullable(Type.String()),
    createdBy: Nullable(Type.String()),
    createdAt: DateTime(),
    updatedAt: DateTime(),
    lastUsedAt: Nullable(DateTime()),
  },
  { $id: 'Image' },
)
export type Image = Static<typeof Image>

export const CreateImage = Strict({
  name: Type.String({ minLength: 1, maxLength: 400 }),
  source: Type.Optional(
    Strict({
      kind: Type.Enum(['pushed', 'registry']),
      reference: Type.Optional(Type.String({ minLength: 1, maxLength: 600 })),
    }),
  ),
  digest: Type.Optional(Type.String({ description: 'required for what was pushed' })),
  entrypoint: Type.Optional(Entrypoint),
  labels: Type.Optional(Labels),
  visibility: Type.Optional(Visibility),
  description: Type.Optional(Type.String({ maxLength: 4096 })),
})
export type CreateImage = Static<typeof CreateImage>

export const UpdateImage = Strict({
  labels: Type.Optional(Labels),
  visibility: Type.Optional(Visibility),
  description: Type.Optional(Nullable(Type.String({ maxLength: 4096 }))),
  entrypoint: Type.Optional(Nullable(Entrypoint)),
})
export type UpdateImage = Static<typeof UpdateImage>

export const ToggleImage = Strict({ enabled: Type.Boolean() })

export const IMAGE_SORTS = ['createdAt', 'updatedAt', 'name', 'sizeBytes', 'lastUsedAt'] as const
export const MAX_PAGE_LIMIT = 200
export const DEFAULT_PAGE_LIMIT = 100

export const ListImagesQuery = Strict({
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE_LIMIT })),
  name: Type.Optional(Type.String({ description: 'glob: `app:*`; without * or ? a part of the name' })),
  state: Type.Optional(Type.String({ description: 'one or more states, comma-separated' })),
  label: Type.Optional(Type.String({ description: '`key` or `key=value`, comma-separated: all must hold' })),
  visibility: Type.Optional(Visibility),
  sort: Type.Optional(Type.Enum([...IMAGE_SORTS])),
  order: Type.Optional(Type.Enum(['asc', 'desc'])),
  cursor: Type.Optional(Type.String({ description: 'nextCursor of the page before: stable under inserts' })),
})
export type ListImagesQuery = Static<typeof ListImagesQuery>

export const ImagePage = Type.Object({
  items: Type.Array(Image),
  total: Type.Integer(),
  page: Type.Integer(),
  totalPages: Type.Integer(),
  nextCursor: Nullable(Type.String()),
})
export type ImagePage = Static<typeof ImagePage>

export const DeletedImage = Type.Object({
  freedBytes: Type.Integer({ description: 'bytes that no other image holds' }),
  heldBy: Type.Array(Type.String(), { description: 'names that share the digest and keep its blobs' }),
})
export type DeletedImage = Static<typeof DeletedImage>

export const ImageEvent = Type.Object({
  id: Type.Integer(),
  at: DateTime(),
  type: Type.String({ description: '`created`, `state`, `retry`, `updated`, `toggled`, `moved`' }),
  state: Nullable(ImageState),
  reason: Nullable(Reason),
  actor: Nullable(Type.String()),
  digest: Nullable(Type.String()),
})
export type ImageEvent = Static<typeof ImageEvent>
