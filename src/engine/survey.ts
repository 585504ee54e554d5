import { systemCode } from '../internal/system-code.ts'
import type { EngineProblem, SurveyedPlace } from '../ports/diagnosis.ts'
import type { EngineChoice, EngineInfo } from '../ports/engine.ts'
import { EngineConnection } from './connection.ts'
import { EngineAgent } from './dial.ts'
import type { EngineEnvironment } from './environment.ts'
import { engineInfo } from './images.ts'
import { locate, type Place } from './locate.ts'
import { probe } from './probe.ts'
import { unreachableReason } from './unreachable.ts'

/** One place that hangs must not hide what the others answered. */
const PLACE_TIMEOUT_MS = 4_000

const KINDS: Readonly<Record<string, EngineProblem['kind']>> = {
  ENOENT: 'absent',
  ENOTDIR: 'absent',
  EACCES: 'denied',
  EPERM: 'denied',
}

/**
 * Looks at every place where an engine may be, all at once. The first that answers is the one that `connect` uses.
 *
 * @throws the errors of `locate`; the signal's reason
 */
export async function surveyEngines(
  environment: EngineEnvironment,
  choice: EngineChoice,
  signal: AbortSignal,
): Promise<SurveyedPlace[]> {
  const places = await locate(environment, choice)
  return Promise.all(
    places.map(async (place) => {
      const found = await look(place, environment, signal)
      return { origin: place.origin, host: place.endpoint.host, found }
    }),
  )
}

async function look(
  { endpoint }: Place,
  { variables }: EngineEnvironment,
  signal: AbortSignal,
): Promise<EngineInfo | EngineProblem> {
  const agent = new EngineAgent(endpoint, variables)
  const limited = AbortSignal.any([signal, AbortSignal.timeout(PLACE_TIMEOUT_MS)])
  try {
    const probed = await probe(endpoint, agent, limited)
    return await engineInfo(new EngineConnection(endpoint, agent, probed), limited)
  } catch (error) {
    signal.throwIfAborted()
    return { reason: unreachableReason(error), kind: KINDS[systemCode(error) ?? ''] ?? 'unreachable' }
  }
}
