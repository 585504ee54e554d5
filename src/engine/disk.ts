import { isCode } from '../errors/error.ts'
import type { EngineConnection } from './connection.ts'
import { asFields, numberAt, stringAt } from './json-fields.ts'

/**
 * How often the engine is asked: Docker with containerd's store fails when an image goes while it measures
 * (https://github.com/moby/moby/issues/51978), and that seldom happens twice in a row.
 */
const MAX_ATTEMPTS = 5

/** As EngineDisk.imageBytes. Engines before API 1.42 also measure containers and volumes, and take their time. */
export async function imageBytes(engine: EngineConnection, signal?: AbortSignal): Promise<number> {
  const usage = asFields(await diskUsage(engine, signal))
  const total = numberAt(usage, 'LayersSize')
  // Podman does not say it, and lists an image once for each of its names.
  if (total !== undefined && (total > 0 || engine.product === 'docker')) return total
  const images = Array.isArray(usage['Images']) ? usage['Images'].map(asFields) : []
  const sizes = new Map(images.map((image) => [stringAt(image, 'Id'), numberAt(image, 'Size') ?? 0]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

async function diskUsage(engine: EngineConnection, signal: AbortSignal | undefined): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await engine.json({ method: 'GET', path: '/system/df', query: { type: 'image' }, signal })
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isCode(error, 'ENGINE_ERROR')) throw error
    }
  }
}
