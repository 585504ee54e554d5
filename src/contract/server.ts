import Type, { type Static } from 'typebox'
import { DateTime, Nullable } from './schema.ts'

/** What a client needs to know before it has logged in: `GET /api/config`, public. */
export const ServerConfig = Type.Object({
  version: Type.String(),
  name: Type.String(),
  registry: Type.Object({
    host: Type.String({ description: 'host or host:port' }),
    secure: Type.Boolean({ description: 'https' }),
  }),
  oidc: Nullable(Type.Object({ issuer: Type.String(), clientId: Type.String(), audience: Type.String() })),
  platforms: Type.Array(Type.String(), { description: 'what images must run on: `linux/amd64`' }),
  limits: Type.Object({
    imageBytes: Type.Integer(),
    imagesPerOrganization: Type.Integer(),
    manifestBytes: Type.Integer(),
    storagePerOrganization: Type.Optional(
      Type.Integer({
        description:
          'bytes, each blob counted once, for an organization without a quota of its own; absent: any',
      }),
    ),
  }),
  compression: Type.Array(Type.Enum(['gzip', 'zstd', 'none'])),
  builder: Type.Boolean({ description: 'whether the server builds Dockerfiles' }),
})
export type ServerConfig = Static<typeof ServerConfig>

/** The body of every error under /api. `code` is one of the names in docs/exit-codes.md. */
export const ApiError = Type.Object(
  {
    statusCode: Type.Integer(),
    code: Type.String(),
    error: Type.String(),
    message: Type.String(),
    hint: Nullable(Type.String()),
    requestId: Type.String(),
    path: Type.String(),
    timestamp: DateTime(),
  },
  { $id: 'ApiError' },
)
export type ApiError = Static<typeof ApiError>

/** The header that picks an organization for an access token; an API key carries its own. */
export const ORGANIZATION_HEADER = 'x-imgctl-organization-id'
export const ORGANIZATION_HEADER_DAYTONA = 'x-daytona-organization-id'
