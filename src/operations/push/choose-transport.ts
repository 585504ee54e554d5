import { isComplete, missingBytes, type PlannedLayer, type PushFacts, type Transport } from './push-facts.ts'

/** Below this an engine compresses as quickly as its export starts. */
const DIRECT_FROM_BYTES = 64 * 1024 * 1024
/**
 * What share of an image must be missing for an export to pay. An engine with a graph driver compresses about 31 MB/s;
 * its export first writes a copy of the whole image to disk at about 100 MB/s, of which we compress what is missing at
 * about 120 MB/s (measured on four cores, see bench/). The two take the same time when 0.42 of the image is missing.
 */
const DIRECT_FROM_SHARE = 0.42

/** Who brings an image to its registry, and why. */
export function chooseTransport(facts: PushFacts): { transport: Transport; why: string } {
  const { source, engine, via, layers } = facts
  if (source.kind !== 'engine' || !engine) return { transport: 'direct', why: 'no engine is involved' }
  if (via !== 'auto') return { transport: via, why: `--via ${via}` }
  if (facts.manifest !== undefined) return { transport: 'direct', why: 'the image is there' }
  if (isComplete(facts)) return { transport: 'direct', why: 'every layer is there' }
  if (isComplete({ ...facts, layers: layers.map(asMounted) })) {
    return { transport: 'direct', why: 'what is missing is in other repositories of the registry' }
  }
  if (facts.compression !== 'gzip') {
    return { transport: 'direct', why: `engines compress with gzip, ${facts.compression} is made here` }
  }
  if (engine.store === 'containerd') return { transport: 'engine', why: 'the engine keeps compressed layers' }
  const missing = uncompressedMissing(facts)
  if (missing < DIRECT_FROM_BYTES) {
    const isAll = layers.every(({ exists }) => !exists)
    return { transport: 'engine', why: isAll ? 'the image is small' : 'little is missing' }
  }
  return missing >= DIRECT_FROM_SHARE * source.size
    ? { transport: 'direct', why: 'the missing layers are large: compressed here, on all cores' }
    : { transport: 'engine', why: 'most of the image is there, and an export would read all of it' }
}

function asMounted(layer: PlannedLayer): PlannedLayer {
  return { ...layer, exists: layer.exists || layer.mountFrom.length > 0 }
}

/** Bytes that would have to be compressed. */
function uncompressedMissing(facts: PushFacts): number {
  const missing = facts.layers.filter(({ exists }) => !exists)
  if (missing.every(({ storedSize }) => storedSize !== undefined)) {
    return missing.reduce((sum, { storedSize }) => sum + storedSize!, 0)
  }
  return Math.max(missingBytes(facts), missing.length === facts.layers.length ? facts.source.size : 0)
}
