import type { Image } from '../../contract/image.ts'
import type { BuildImageEvent } from '../build/build-image.ts'
import type { PushPlan } from './plan.ts'

/** The phases of a push, in order; a phase that has nothing to do is left out. */
export type PushPhase = 'prepare' | 'export' | 'upload' | 'push' | 'register' | 'validate'

export type LayerStatus = 'waiting' | 'pushing' | 'pushed' | 'exists' | 'mounted'

/** What a push tells whoever watches it. Sizes are bytes. */
export type PushEvent =
  | { readonly type: 'source'; readonly title: string; readonly name: string; readonly platform: string }
  | { readonly type: 'repository'; readonly repository: string }
  | { readonly type: 'plan'; readonly plan: PushPlan }
  | { readonly type: 'phase'; readonly phase: PushPhase; readonly total?: number }
  | {
      readonly type: 'layer'
      readonly label: string
      readonly status: LayerStatus
      readonly done: number
      readonly total: number | undefined
    }
  | { readonly type: 'build'; readonly event: BuildImageEvent }
  | { readonly type: 'note'; readonly message: string }
  | { readonly type: 'pushed'; readonly digest: string; readonly size: number }
  | { readonly type: 'state'; readonly image: Image }
