import { homedir } from 'node:os'
import { join } from 'node:path'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The folder of config.json and credentials.json: `$IMGCTL_CONFIG_DIR`, else `imgctl` in `$XDG_CONFIG_HOME`,
 * `%APPDATA%` or `~/.config`. macOS follows XDG too, as the tools beside imgctl (docker, gh) keep to the home folder.
 */
export function configDir(environment: Environment, platform: NodeJS.Platform = process.platform): string {
  const { IMGCTL_CONFIG_DIR: own, XDG_CONFIG_HOME: xdg, APPDATA: appData } = environment
  if (own) return own
  if (xdg) return join(xdg, 'imgctl')
  if (platform === 'win32' && appData) return join(appData, 'imgctl')
  return join(home(environment), '.config', 'imgctl')
}

/** Where `imgctl serve` keeps its data unless `--data` says otherwise. */
export function serverDataDir(
  environment: Environment,
  platform: NodeJS.Platform = process.platform,
): string {
  const { XDG_DATA_HOME: xdg, LOCALAPPDATA: localAppData } = environment
  if (xdg) return join(xdg, 'imgctl', 'server')
  if (platform === 'win32' && localAppData) return join(localAppData, 'imgctl', 'server')
  return join(home(environment), '.local', 'share', 'imgctl', 'server')
}

/** What may be lost: learned facts that make the next run faster. */
export function cacheDir(environment: Environment, platform: NodeJS.Platform = process.platform): string {
  const { XDG_CACHE_HOME: xdg, LOCALAPPDATA: localAppData } = environment
  if (xdg) return join(xdg, 'imgctl')
  if (platform === 'win32' && localAppData) return join(localAppData, 'imgctl', 'cache')
  return join(home(environment), '.cache', 'imgctl')
}

/** The docker client's own folder: `$DOCKER_CONFIG` or `~/.docker`. */
export function dockerConfigDir({ DOCKER_CONFIG }: Environment, homeDir: string): string {
  return DOCKER_CONFIG || join(homeDir, '.docker')
}

/**
 * Where Podman, Buildah and Skopeo keep credentials, the first that counts first.
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 */
export function containersAuthFiles(
  { REGISTRY_AUTH_FILE: named, XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: config }: Environment,
  homeDir: string,
  uid: number | undefined,
): string[] {
  if (named) return [named]
  const own = uid === undefined ? [] : [join('/run/containers', String(uid), 'auth.json')]
  return [
    ...(runtime ? [join(runtime, 'containers', 'auth.json')] : own),
    join(config || join(homeDir, '.config'), 'containers', 'auth.json'),
  ]
}

/** The user's home folder. */
export function home({ HOME }: Environment): string {
  return HOME || homedir()
}
