import type { EngineConnection } from './connection.ts'
import { readInventory } from './inventory.ts'
import { asFields, type Fields } from './json-fields.ts'

/** GET /images/json: what the engine says of each image. @throws ImgctlError ENGINE_ERROR, ENGINE_UNREACHABLE */
export async function imageList(
  engine: EngineConnection,
  query: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Fields[]> {
  const images = await readInventory(engine, { path: '/images/json', query, signal }, 'list its images')
  return Array.isArray(images) ? images.map(asFields) : []
}
