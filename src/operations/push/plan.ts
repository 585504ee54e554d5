import { type ChosenTransport, chooseTransport } from './choose-transport.ts'
import { missingBytes, type PushFacts } from './push-facts.ts'

export interface PushPlan extends Pick<PushFacts, 'layers' | 'config' | 'manifest'>, ChosenTransport {
  /** Bytes of the layers that are missing: an upper bound of what is sent. */
  readonly missingBytes: number
  /** For an engine that turns out not to hand out single layers. */
  readonly withoutPicking: PushPlan | undefined
}

/** Chooses the cheapest way for what is missing. */
export function planPush(facts: PushFacts): PushPlan {
  const { layers, config, manifest } = facts
  const chosen = chooseTransport(facts)
  const withoutPicking = chosen.picks
    ? planPush({ ...facts, source: { ...facts.source, pickLayers: undefined } })
    : undefined
  return { ...chosen, layers, config, manifest, missingBytes: missingBytes(facts), withoutPicking }
}
