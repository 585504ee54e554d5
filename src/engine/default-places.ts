import { posix } from 'node:path'
import {
  DEFAULT_NAMED_PIPE,
  DEFAULT_UNIX_SOCKET,
  pipeEndpoint,
  type SocketEndpoint,
  socketEndpoint,
} from './endpoint.ts'
import type { EngineEnvironment } from './environment.ts'

/** One place where engines usually listen. */
export interface DefaultPlace {
  /** The product that listens there, in its own spelling. */
  readonly product: string
  readonly endpoint: SocketEndpoint
}

/** Where engines listen when nobody says anything, the most usual first. */
export function defaultPlaces(environment: EngineEnvironment): DefaultPlace[] {
  return environment.platform === 'win32' ? namedPipes() : unixSockets(environment)
}

function unixSockets({ variables, home, uid }: EngineEnvironment): DefaultPlace[] {
  const runtime = variables['XDG_RUNTIME_DIR'] || (uid === undefined ? undefined : `/run/user/${uid}`)
  const colima = variables['COLIMA_HOME'] || posix.join(home, '.colima')
  const profile = variables['COLIMA_PROFILE'] || 'default'
  const places: [product: string, path: string][] = [
    ['Docker', DEFAULT_UNIX_SOCKET],
    ['Docker Desktop', posix.join(home, '.docker/run/docker.sock')],
    ['Docker Desktop', posix.join(home, '.docker/desktop/docker.sock')],
    ['Colima', posix.join(colima, profile, 'docker.sock')],
    ['Colima', posix.join(home, '.config/colima', profile, 'docker.sock')],
    ['OrbStack', posix.join(home, '.orbstack/run/docker.sock')],
    ['Rancher Desktop', posix.join(home, '.rd/docker.sock')],
  ]
  if (runtime) places.push(['rootless Docker', posix.join(runtime, 'docker.sock')])
  if (runtime) places.push(['Podman', posix.join(runtime, 'podman/podman.sock')])
  places.push(['Podman', '/run/podman/podman.sock'])
  places.push(['Podman', posix.join(home, '.local/share/containers/podman/machine/podman.sock')])
  return places.map(([product, path]) => ({ product, endpoint: socketEndpoint(path) }))
}

function namedPipes(): DefaultPlace[] {
  return [
    { product: 'Docker', endpoint: pipeEndpoint(DEFAULT_NAMED_PIPE) },
    { product: 'Docker Desktop', endpoint: pipeEndpoint('//./pipe/dockerDesktopLinuxEngine') },
    { product: 'Podman', endpoint: pipeEndpoint('//./pipe/podman-machine-default') },
  ]
}
