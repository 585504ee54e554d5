import { formatPlatform } from '../../oci/platform.ts'
import type { EngineProblem, Probes, SurveyedPlace } from '../../ports/diagnosis.ts'
import type { EngineInfo } from '../../ports/engine.ts'
import { type Finding, fail, ok, warn } from './check.ts'

const NO_ENGINE_NEEDED = 'an archive needs none: imgctl image push ./app.tar'

/** How to start what usually listens at a place. */
const START: Readonly<Record<string, string>> = {
  Docker: 'sudo systemctl start docker',
  'Docker Desktop': 'docker desktop start',
  Colima: 'colima start',
  OrbStack: 'orb start',
  'Rancher Desktop': 'rdctl start',
  'rootless Docker': 'systemctl --user start docker',
  Podman: 'systemctl --user start podman.socket',
}

/**
 * Every place where an engine may be and what is there; the first that answers is the one in use. That there is no
 * engine at all is a warning, because archives, layouts and all server commands need none. One that the user named,
 * or that is there and cannot be used, is a failure.
 */
export async function checkEngine(probes: Pick<Probes, 'engines'>, signal: AbortSignal): Promise<Finding> {
  const places = await probes.engines(signal)
  const used = places.find(isEngine)
  if (used)
    return ok(describe(used), places.filter((place) => place !== used && isWorthALine(place)).map(line))
  const tried = places.map(line)
  const denied = places.find(({ found }) => 'kind' in found && found.kind === 'denied')
  if (denied) {
    const fix = 'sudo usermod -aG docker "$USER", then log in again'
    return fail('your user may not use the engine', fix, tried)
  }
  const [only] = places
  if (places.length === 1 && only)
    return fail('no engine answers where it was said to be', repair(only), tried)
  const stopped = places.find(({ found }) => 'kind' in found && found.kind !== 'absent')
  if (stopped) return fail('an engine is installed and does not answer', repair(stopped), tried)
  return warn('no engine on this machine', `start Docker or Podman; ${NO_ENGINE_NEEDED}`, tried)
}

type EnginePlace = SurveyedPlace & { readonly found: EngineInfo }

function isEngine(place: SurveyedPlace): place is EnginePlace {
  return 'product' in place.found
}

/** When an engine was found, places with nothing in them are no news. */
function isWorthALine({ found }: SurveyedPlace): boolean {
  return 'product' in found || found.kind !== 'absent'
}

function describe({ found, origin, host }: EnginePlace): string {
  return `${summary(found)}, at ${host} (${origin})`
}

function summary({ product, version, apiVersion, store, platform }: EngineInfo): string {
  const name = product === 'podman' ? 'Podman' : 'Docker'
  return `${name} ${version}, API ${apiVersion}, ${store} store, ${formatPlatform(platform)}`
}

function line({ found, origin, host }: SurveyedPlace): string {
  return `${host} (${origin}): ${'product' in found ? summary(found) : found.reason}`
}

function repair({ origin, host, found }: SurveyedPlace): string {
  if (origin === 'DOCKER_HOST') return 'start it, or use the usual places: unset DOCKER_HOST'
  if (origin.startsWith('docker context'))
    return 'start it, or use the usual places: docker context use default'
  if (host.startsWith('ssh:') && isProblem(found)) return `see whether this works: ssh ${host} docker version`
  return START[origin] ?? 'start the engine, or name another with --host'
}

function isProblem(found: EngineInfo | EngineProblem): found is EngineProblem {
  return 'reason' in found
}
