import { mapLimit } from '../../internal/concurrency.ts'
import { shortDigest } from '../../oci/digest.ts'
import type { Repository } from '../../ports/registry.ts'
import type { PushEvent } from './events.ts'
import type { PlannedLayer, PushFacts } from './push-facts.ts'

/** A repository that had the blob may be gone or closed; after so many of them it is uploaded. */
const REPOSITORIES_TRIED = 2
const MOUNTS_AT_ONCE = 6

/**
 * Links blobs that other repositories of the registry have: the cheapest upload there is. Where it is not done the
 * layer stays missing.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository
 *
 * @param open the repository, with access to the others
 * @returns the facts as they are then
 */
export async function mountLayers(
  facts: PushFacts,
  open: () => Promise<Repository>,
  onEvent: (event: PushEvent) => void,
  signal: AbortSignal | undefined,
): Promise<PushFacts> {
  const isOff = facts.manifest !== undefined || facts.via === 'engine'
  if (isOff || facts.layers.every(({ mountFrom }) => mountFrom.length === 0)) return facts
  const repository = await open()
  const layers = await mapLimit(
    facts.layers,
    MOUNTS_AT_ONCE,
    async (layer, _, mounts): Promise<PlannedLayer> => {
      if (layer.exists || !(await mountLayer(layer, repository, mounts))) return { ...layer, mountFrom: [] }
      const { size } = layer.descriptor!
      const label = shortDigest(layer.diffID)
      onEvent({ type: 'layer', label, status: 'mounted', done: size, total: size })
      return { ...layer, exists: true, mountFrom: [] }
    },
    signal,
  )
  return { ...facts, layers }
}

async function mountLayer(
  { descriptor, mountFrom }: PlannedLayer,
  repository: Repository,
  signal: AbortSignal,
): Promise<boolean> {
  if (!descriptor) return false
  for (const from of mountFrom.slice(0, REPOSITORIES_TRIED)) {
    if (await repository.mountBlob(descriptor.digest, from, signal)) return true
  }
  return false
}
