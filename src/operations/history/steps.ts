import type { Digest } from '../../oci/digest.ts'
import type { ImageConfig } from '../../oci/image-config.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { EngineHistoryEntry } from '../../ports/engine-transfer.ts'
import { cleanInstruction } from './clean-instruction.ts'
import { layersOfSteps } from './layers-of-steps.ts'

/** A layer as far as it is known where the image is. */
export interface StepLayer {
  readonly diffID: Digest
  /** The compressed blob. */
  readonly descriptor?: Pick<Descriptor, 'digest' | 'size'>
  /** Bytes of the files in it. */
  readonly size?: number
}

/** A step of an image's making. Text in it is untrusted. */
export interface HistoryStep {
  /** Of the image that the step made: of the newest step, and where the engine still has it. */
  readonly id: Digest | undefined
  /** RFC 3339, in seconds. */
  readonly created: string | undefined
  /** As the builder wrote it. */
  readonly createdBy: string
  /** The same as a Dockerfile has it. */
  readonly instruction: string
  readonly comment: string
  /** Bytes of the files that it added; undefined when only the compressed size is known. */
  readonly size: number | undefined
  /** Undefined for a step that changed no file, and where it cannot be told. */
  readonly layer: StepLayer | undefined
  readonly tags: readonly string[]
}

/** The steps that a config tells, newest first. Layers that it tells nothing of are steps of their own. */
export function stepsOfConfig(config: ImageConfig, id: Digest, layers: readonly StepLayer[]): HistoryStep[] {
  let next = 0
  const told = config.history.map(({ created, createdBy = '', comment = '', emptyLayer }) => {
    const layer = emptyLayer ? undefined : layers[next++]
    return step({ created: seconds(created), createdBy, comment }, emptyLayer ? 0 : layer?.size, layer)
  })
  const rest = layers.slice(next).map((layer) => step({}, layer.size, layer))
  return [...told, ...rest].reverse().map((each, i) => (i === 0 ? { ...each, id } : each))
}

/**
 * The steps that an engine tells, newest first. It does not say which of them made a layer: that follows from their
 * sizes and instructions, or the layers are left out.
 */
export function stepsOfEngine(
  entries: readonly EngineHistoryEntry[],
  diffIDs: readonly Digest[],
): HistoryStep[] {
  if (entries.length === 0) return diffIDs.map((diffID) => step({}, undefined, { diffID })).reverse()
  const layers = layersOfSteps(entries, diffIDs)
  return entries.map(({ id, created, createdBy, comment, size, tags }, i) => {
    const diffID = layers[i]
    const time = created === undefined ? undefined : seconds(new Date(created).toISOString())
    const made = step({ created: time, createdBy, comment }, size, diffID && { diffID, size })
    return { ...made, id, tags }
  })
}

interface Told {
  readonly created?: string | undefined
  readonly createdBy?: string
  readonly comment?: string
}

function step(
  { created, createdBy = '', comment = '' }: Told,
  size: number | undefined,
  layer: StepLayer | undefined,
): HistoryStep {
  const instruction = cleanInstruction(createdBy)
  return { id: undefined, created, createdBy, instruction, comment, size, layer, tags: [] }
}

/** Engines tell seconds only. Undefined for Go's zero time, and for what is no time. */
function seconds(time: string | undefined): string | undefined {
  const milliseconds = Date.parse(time ?? '')
  if (Number.isNaN(milliseconds) || milliseconds < 0) return undefined
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z')
}
