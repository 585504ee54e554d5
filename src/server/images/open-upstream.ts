import type { ImgctlError } from '../../errors/error.ts'
import { DEFAULT_RETRY } from '../../internal/retry.ts'
import { createRegistryClient } from '../../registry/client.ts'
import type { ServerContext } from '../context.ts'
import { type FetchImage, upstreamFetcher } from './upstream.ts'
import { guardedAgent } from './upstream-guard.ts'

export interface Upstream {
  readonly fetchImage: FetchImage
  /** Ends what is still open. */
  close(): Promise<void>
}

/** The way to other registries: every connection is guarded, and a rate limit is not waited for in silence. */
export function openUpstream(ctx: ServerContext): Upstream {
  const dispatcher = guardedAgent(ctx.settings.allowUpstream)
  const client = createRegistryClient({
    dispatcher,
    userAgent: `imgctl-server/${ctx.settings.version}`,
    retry: {
      ...DEFAULT_RETRY,
      onRetry(error: ImgctlError) {
        // The reconciler waits instead, where the image's owner can see it.
        if (error.code === 'RATE_LIMITED') throw error
      },
    },
  })
  return {
    fetchImage: upstreamFetcher(ctx, (location) => client.open(location)),
    close: () => dispatcher.destroy(),
  }
}
