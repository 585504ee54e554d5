import type { EngineConnection } from './connection.ts'
import { readInventory } from './inventory.ts'
import { asFields, numberAt, stringAt } from './json-fields.ts'

/** As EngineDisk.imageBytes. Engines before API 1.42 also measure containers and volumes, and take their time. */
export async function imageBytes(engine: EngineConnection, signal?: AbortSignal): Promise<number> {
  const call = { path: '/system/df', query: { type: 'image' }, signal }
  const usage = asFields(await readInventory(engine, call, 'measure its images'))
  const total = numberAt(usage, 'LayersSize')
  // Podman does not say it, and lists an image once for each of its names.
  if (total !== undefined && (total > 0 || engine.product === 'docker')) return total
  const images = Array.isArray(usage['Images']) ? usage['Images'].map(asFields) : []
  const sizes = new Map(images.map((image) => [stringAt(image, 'Id'), numberAt(image, 'Size') ?? 0]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}
