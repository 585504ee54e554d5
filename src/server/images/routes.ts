import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  CreateImage,
  DeletedImage,
  Image,
  ImageEvent,
  ImagePage,
  ListImagesQuery,
  ToggleImage,
  UpdateImage,
} from '../../contract/image.ts'
import type { ServerContext } from '../context.ts'
import type { Principal } from '../identity/principal.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { createImage } from './create.ts'
import { deleteImage } from './delete.ts'
import { listEvents } from './events.ts'
import { findImage, type ImageScope } from './find.ts'
import { listImages } from './list.ts'
import { toEvent, toImage } from './present.ts'
import { retryImage } from './retry.ts'
import { type ChangeBy, toggleImage, updateImage } from './update.ts'

/** What the HTTP layer knows about a request. */
export interface RequestFacts {
  readonly principalOf: (request: FastifyRequest) => Principal
  /** The host of references, for this client: `host` or `host:port`. */
  readonly registryHostOf: (request: FastifyRequest) => string
}

const params = Type.Object({
  idOrName: Type.String({ description: 'the id, or the name (`team/app:1.0`, or with its slashes as %2F)' }),
})
const ifMatch = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'the digest that is meant to be deleted' })),
})
const READ = { permission: 'read:images' } as const
const WRITE = { permission: 'write:images' } as const
const DELETE = { permission: 'delete:images' } as const

/** Everything under `/images`; the app adds the prefix, authentication and the error reply. */
export function imageRoutes(ctx: ServerContext, facts: RequestFacts): FastifyPluginAsyncTypebox {
  const scopeOf = (request: FastifyRequest): ImageScope => {
    const { organizationId, organizationSlug } = facts.principalOf(request)
    return { organizationId, prefix: `${facts.registryHostOf(request)}/${organizationSlug}` }
  }
  /** Runs `action` in a transaction and answers the image; the reconciler looks when it is committed. */
  const change = async (
    request: FastifyRequest,
    action: (trx: Trx, scope: ImageScope, by: ChangeBy) => Promise<ImageTable>,
  ): Promise<Image> => {
    const scope = scopeOf(request)
    const by = { actor: facts.principalOf(request).userName, now: ctx.now() }
    const row = await ctx.db.transaction().execute((trx) => action(trx, scope, by))
    ctx.wakeReconciler()
    return toImage(row, scope.prefix)
  }

  return async (app) => {
    app.post(
      '/images',
      {
        config: WRITE,
        schema: { summary: 'Register an image', body: CreateImage, response: { 200: Image } },
      },
      (request) =>
        change(request, (trx, scope, by) => createImage(trx, { scope, body: request.body, ...by })),
    )

    app.get(
      '/images',
      {
        config: READ,
        schema: { summary: 'List images', querystring: ListImagesQuery, response: { 200: ImagePage } },
      },
      async (request) => {
        const { organizationId, prefix } = scopeOf(request)
        const { rows, ...page } = await listImages(ctx.db, organizationId, request.query)
        return { items: rows.map((row) => toImage(row, prefix)), ...page }
      },
    )

    app.get(
      '/images/:idOrName',
      { config: READ, schema: { summary: 'One image', params, response: { 200: Image } } },
      async (request) => {
        const scope = scopeOf(request)
        return toImage(await findImage(ctx.db, scope, request.params.idOrName), scope.prefix)
      },
    )

    app.patch(
      '/images/:idOrName',
      {
        config: WRITE,
        schema: { summary: 'Change an image', params, body: UpdateImage, response: { 200: Image } },
      },
      (request) =>
        change(request, async (trx, scope, by) => {
          const image = await findImage(trx, scope, request.params.idOrName)
          return updateImage(trx, image, request.body, by)
        }),
    )

    app.patch(
      '/images/:idOrName/toggle',
      {
        config: WRITE,
        schema: {
          summary: 'Enable or disable an image',
          params,
          body: ToggleImage,
          response: { 200: Image },
        },
      },
      (request) =>
        change(request, async (trx, scope, by) => {
          const image = await findImage(trx, scope, request.params.idOrName)
          return toggleImage(trx, image, request.body.enabled, by)
        }),
    )

    app.post(
      '/images/:idOrName/retry',
      { config: WRITE, schema: { summary: 'Try a failed image again', params, response: { 200: Image } } },
      (request) =>
        change(request, async (trx, scope, by) => {
          const image = await findImage(trx, scope, request.params.idOrName)
          return retryImage(trx, image, by)
        }),
    )

    app.get(
      '/images/:idOrName/events',
      {
        config: READ,
        schema: {
          summary: "An image's history, oldest first",
          params,
          response: { 200: Type.Array(ImageEvent) },
        },
      },
      async (request) => {
        const image = await findImage(ctx.db, scopeOf(request), request.params.idOrName)
        return (await listEvents(ctx.db, image.id)).map(toEvent)
      },
    )

    app.delete(
      '/images/:idOrName',
      {
        config: DELETE,
        schema: { summary: 'Delete an image', params, headers: ifMatch, response: { 200: DeletedImage } },
      },
      (request) =>
        deleteImage(ctx, scopeOf(request), {
          idOrName: request.params.idOrName,
          ifMatch: request.headers['if-match'],
          actor: facts.principalOf(request).userName,
        }),
    )
  }
}
