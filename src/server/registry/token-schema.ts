import type { FastifySchema } from 'fastify'
import Type from 'typebox'

/** An error as the distribution protocol writes it. */
const RegistryErrors = Type.Object(
  {
    errors: Type.Array(
      Type.Object({ code: Type.String(), message: Type.String(), detail: Type.Optional(Type.Unknown()) }),
    ),
  },
  { $id: 'RegistryErrors' },
)

const RegistryToken = Type.Object(
  {
    token: Type.String({ description: 'for `Authorization: Bearer` under /v2' }),
    access_token: Type.String({ description: 'the same token, by its OAuth2 name' }),
    expires_in: Type.Integer({ description: 'seconds' }),
    issued_at: Type.String({ format: 'date-time' }),
    scope: Type.String({ description: 'what was granted: perhaps less than was asked for' }),
    refresh_token: Type.Optional(Type.String()),
  },
  { $id: 'RegistryToken' },
)

const SCOPE = 'repository:<organization>/<name>:pull,push,delete'
const SERVICE = 'the service of the challenge'

const response = { 200: RegistryToken, 400: RegistryErrors, 401: RegistryErrors }

/** Credentials or none: a token without them opens public images. */
export const GET_TOKEN: FastifySchema = {
  summary: 'A token for the registry, for Basic credentials whose password is an API key or push secret',
  querystring: Type.Object({
    service: Type.Optional(Type.String({ description: SERVICE })),
    scope: Type.Optional(Type.Array(Type.String(), { description: SCOPE })),
  }),
  security: [{}, { basic: [] }],
  response,
}

export const POST_TOKEN: FastifySchema = {
  summary: 'A token for the registry, for credentials in an OAuth2 form',
  consumes: ['application/x-www-form-urlencoded'],
  body: Type.Object({
    grant_type: Type.Enum(['password', 'refresh_token']),
    service: Type.Optional(Type.String({ description: SERVICE })),
    scope: Type.Optional(Type.String({ description: `${SCOPE}; several with a space between` })),
    username: Type.Optional(Type.String()),
    password: Type.Optional(Type.String({ description: 'an API key or push secret' })),
    refresh_token: Type.Optional(Type.String()),
    access_type: Type.Optional(Type.Enum(['online', 'offline'])),
  }),
  security: [],
  response,
}
