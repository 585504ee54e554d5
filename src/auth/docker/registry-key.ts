import { ImgctlError } from '../../errors/error.ts'

/** What Docker Hub is called where docker keeps credentials: the address of a registry that is long gone. */
export const DOCKER_HUB_KEY = 'https://index.docker.io/v1/'

const DOCKER_HUB = 'docker.io'
/** Docker Hub's names: in references, in old keys, and of the host that serves its images. */
const DOCKER_HUB_HOSTS = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])
/** A name or address with a port or without: what is sent to a helper holds nothing else. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/

type Entries = Readonly<Record<string, unknown>>

/**
 * The host that a key of docker's config stands for. Docker has written keys as a host, as a URL and with a path.
 * https://github.com/docker/cli/blob/master/cli/config/credentials/file_store.go (ConvertToHostname)
 */
export function hostOfKey(key: string): string {
  const host = key
    .replace(/^https?:\/\//i, '')
    .replace(/\/.*$/s, '')
    .toLowerCase()
  return DOCKER_HUB_HOSTS.has(host) ? DOCKER_HUB : host
}

/** A host in the form that `hostOfKey` answers. @throws ImgctlError NAME_INVALID */
export function registryHost(text: string): string {
  const host = hostOfKey(text)
  if (HOST.test(host)) return host
  throw new ImgctlError('NAME_INVALID', `${JSON.stringify(text)} is not a registry's host`)
}

/** How docker asks a credential helper for a registry. */
export function helperKey(host: string): string {
  return host === DOCKER_HUB ? DOCKER_HUB_KEY : host
}

/**
 * The entry of `entries` for a host: docker's own key first, then one written in another way.
 *
 * @param host as `registryHost` answers it
 */
export function entryFor(entries: Entries, host: string): unknown {
  const own = helperKey(host)
  if (Object.hasOwn(entries, own)) return entries[own]
  const other = Object.keys(entries).find((key) => hostOfKey(key) === host)
  return other === undefined ? undefined : entries[other]
}

/** The entries whose keys name a registry, and no part of one. */
export function ofWholeRegistries(entries: Entries): Entries {
  return Object.fromEntries(Object.entries(entries).filter(([key]) => !key.includes('/')))
}

/**
 * The entry of Podman's `auths` for a repository: that of the narrowest part of the registry which holds it, and else
 * the registry's own. containers-auth.json(5), FORMAT
 *
 * @param host as `registryHost` answers it
 * @param repository undefined: what is for the whole registry only
 */
export function namespacedEntryFor(entries: Entries, host: string, repository: string | undefined): unknown {
  const parts = repository === undefined ? [] : repository.split('/')
  for (let count = parts.length; count > 0; count--) {
    const key = [host, ...parts.slice(0, count)].join('/')
    if (Object.hasOwn(entries, key)) return entries[key]
  }
  return entryFor(ofWholeRegistries(entries), host)
}
