import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ServerConfig } from '../../contract/server.ts'
import { MAX_MANIFEST_BYTES } from '../../oci/manifest.ts'
import { formatPlatform } from '../../oci/platform.ts'
import type { ServerContext } from '../context.ts'
import { issuerOf } from '../identity/issuer.ts'
import { publicUrlOf, registryHostOf } from '../identity/public-url.ts'

export function configRoutes(ctx: ServerContext): FastifyPluginAsyncTypebox {
  const { name, version, platforms, limits } = ctx.settings
  return async (app) => {
    app.get(
      '/config',
      {
        config: { public: true },
        schema: { summary: 'What a client needs to know first', response: { 200: ServerConfig } },
      },
      async (request) => ({
        version,
        name,
        registry: {
          host: registryHostOf(ctx, request),
          secure: publicUrlOf(ctx, request).startsWith('https:'),
        },
        oidc: issuerOf(ctx) ?? null,
        platforms: platforms.map(formatPlatform),
        limits: {
          imageBytes: limits.imageBytes,
          imagesPerOrganization: limits.imagesPerOrganization,
          manifestBytes: MAX_MANIFEST_BYTES,
          ...(limits.storagePerOrganization === undefined
            ? {}
            : { storagePerOrganization: limits.storagePerOrganization }),
        },
        compression: ['zstd' as const, 'gzip' as const, 'none' as const],
        builder: false,
      }),
    )
  }
}
