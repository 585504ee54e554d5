import type { ImageSource, ImageState } from '../../contract/image.ts'
import type { ServerContext } from '../context.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import type { TransitionOptions } from './states.ts'
import type { FetchImage } from './upstream.ts'
import { validateImage } from './validate.ts'

/** Where a step leads, with what is written in the same transaction. */
export interface StepResult {
  readonly to: ImageState
  readonly changes?: TransitionOptions['changes']
  /** Runs after the row has moved, in its transaction. */
  readonly commit?: (trx: Trx) => Promise<void>
}

/** The work of one state. It may be broken off by `signal`, and done again from its beginning. */
export type Step = (image: ImageTable, signal: AbortSignal) => Promise<StepResult>
export type Steps = Readonly<Partial<Record<ImageState, Step>>>

/** What is to be done in each state; a state without a step is left alone. */
export function imageSteps(ctx: ServerContext, fetchImage: FetchImage): Steps {
  return {
    pending: async (image) => ({ to: isFetched(image) ? 'pulling_image' : 'pending_validation' }),
    pulling_image: async (image, signal) => {
      const { digest, commit } = await fetchImage(image, signal)
      return { to: 'pending_validation', changes: { digest }, commit }
    },
    pending_validation: async () => ({ to: 'validating' }),
    validating: async (image) => ({ to: 'active', changes: { ...(await validateImage(ctx, image)) } }),
  }
}

function isFetched({ sourceJson }: ImageTable): boolean {
  return (JSON.parse(sourceJson) as ImageSource).kind === 'registry'
}
