import { makeVisible } from '../internal/control-characters.ts'
import type { EngineContainer } from '../ports/engine-catalog.ts'
import type { EngineConnection } from './connection.ts'
import { readDigest } from './images.ts'
import { readInventory } from './inventory.ts'
import { asFields, type Fields, stringAt, stringsAt } from './json-fields.ts'

/** As EngineContainers.containers. */
export async function listContainers(
  engine: EngineConnection,
  signal?: AbortSignal,
): Promise<EngineContainer[]> {
  const call = { path: '/containers/json', query: { all: '1' }, signal }
  const containers = await readInventory(engine, call, 'list its containers')
  return Array.isArray(containers) ? containers.map((container) => readContainer(asFields(container))) : []
}

function readContainer(container: Fields): EngineContainer {
  const id = stringAt(container, 'Id') ?? ''
  const image = stringAt(container, 'ImageID')
  const name = stringsAt(container, 'Names')[0]?.replace(/^\//, '')
  return {
    id,
    name: makeVisible(name || id.slice(0, 12)),
    imageId: image === undefined ? undefined : readDigest(image),
    running: stringAt(container, 'State') === 'running',
  }
}
