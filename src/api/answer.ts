import type { RawAnswer } from '../ports/server.ts'

/** An answer read whole. */
export interface Answer extends RawAnswer {
  readonly retryAfter: string | undefined
  readonly location: string | undefined
  readonly requestId: string | undefined
}
