import { createRegistryClient } from '../../registry/client.ts'
import type { ServerContext } from '../context.ts'
import { type FetchImage, upstreamFetcher } from './upstream.ts'
import { guardedAgent } from './upstream-guard.ts'

/** A lost packet is not worth a mention; longer trouble is for the reconciler, whose waits the owner can see. */
const TRIES_PER_REQUEST = 3

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
    retry: { attempts: TRIES_PER_REQUEST },
    onRetry(error) {
      if (error.code === 'RATE_LIMITED') throw error
    },
  })
  return {
    fetchImage: upstreamFetcher(ctx, (location) => client.open(location)),
    close: () => dispatcher.destroy(),
  }
}
