import { makeVisible } from '../internal/control-characters.ts'
import type { EngineLayerProgress } from '../ports/engine-push.ts'
import { asFields, numberAt, stringAt } from './json-fields.ts'
import type { EngineEvent } from './ndjson.ts'

/** What an event says of one layer; undefined when it is about something else. */
export function readProgress(event: EngineEvent): EngineLayerProgress | undefined {
  const layer = stringAt(event, 'id')
  const status = stringAt(event, 'status')
  if (layer === undefined || status === undefined) return undefined
  const detail = asFields(event['progressDetail'])
  const [current, total] = [numberAt(detail, 'current'), numberAt(detail, 'total')]
  return {
    layer: makeVisible(layer),
    status: makeVisible(status),
    ...(current === undefined ? {} : { current }),
    ...(total === undefined ? {} : { total }),
  }
}
