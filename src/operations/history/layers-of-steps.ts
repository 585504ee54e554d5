import type { Digest } from '../../oci/digest.ts'
import type { EngineHistoryEntry } from '../../ports/engine-transfer.ts'
import { cleanInstruction } from './clean-instruction.ts'

/** https://docs.docker.com/reference/dockerfile/: these change the config only. */
const CONFIG_ONLY =
  /^(?:ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\b/

type Entry = Pick<EngineHistoryEntry, 'createdBy' | 'size'>

/**
 * The layer that each step made, newest first as the steps are. A step with bytes made one, a config instruction
 * without made none; the others (a RUN that wrote nothing) must then all have made one, or none. Where the numbers
 * do not come out, no layer is told.
 *
 * @param diffIDs lowest first
 */
export function layersOfSteps(entries: readonly Entry[], diffIDs: readonly Digest[]): (Digest | undefined)[] {
  const certain = entries.filter(({ size }) => size > 0).length
  const possible = entries.filter(mayBeLayer).length
  if (diffIDs.length !== certain && diffIDs.length !== possible) return entries.map(() => undefined)
  const isLayer = diffIDs.length === possible ? mayBeLayer : ({ size }: Entry) => size > 0
  let left = diffIDs.length
  return entries.map((entry) => (isLayer(entry) ? diffIDs[--left] : undefined))
}

function mayBeLayer({ createdBy, size }: Entry): boolean {
  return size > 0 || !CONFIG_ONLY.test(cleanInstruction(createdBy))
}
