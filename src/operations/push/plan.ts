import { chooseTransport } from './choose-transport.ts'
import { missingBytes, type PushFacts, type Transport } from './push-facts.ts'

export interface PushPlan extends Pick<PushFacts, 'layers' | 'config' | 'manifest'> {
  readonly transport: Transport
  /** Why that one, as half a sentence. */
  readonly why: string
  /** Bytes of the layers that are missing: an upper bound of what is sent. */
  readonly missingBytes: number
}

/** Chooses the cheapest way for what is missing. */
export function planPush(facts: PushFacts): PushPlan {
  const { layers, config, manifest } = facts
  return { ...chooseTransport(facts), layers, config, manifest, missingBytes: missingBytes(facts) }
}
