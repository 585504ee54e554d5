import { ImgctlError } from '../../errors/error.ts'
import { DEFAULT_DOMAIN } from '../../oci/reference.ts'

export interface RegistryHost {
  /** As in a reference: lower case, with the port when it is not the scheme's own. */
  readonly host: string
  /** https */
  readonly secure: boolean
}

/** Docker Hub's other names; a reference has `docker.io`. */
const DOCKER_HUB = new Set(['index.docker.io', 'registry-1.docker.io'])
/** Plain HTTP is taken for granted only where nothing leaves the machine, as docker does. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/
const SCHEME = /^[a-z][a-z0-9+.-]*:\/\/(?!\/)/i
/** Paths that people copy with the host and that name the API, not a repository. */
const API_PATH = /^\/(?:v[12]\/?)?$/

/**
 * A registry's host from `ghcr.io`, `registry:5000`, `127.0.0.1:5000` or `https://index.docker.io/v1/`.
 *
 * @throws ImgctlError BAD_REQUEST
 */
export function parseRegistryHost(text: string): RegistryHost {
  const hasScheme = SCHEME.test(text)
  const url = parseUrl(hasScheme ? text : `https://${text}`)
  if (!url) throw invalid('it is not a host')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalid('only https and http are spoken')
  if (url.username || url.password) throw invalid('user and password have their own fields')
  if (url.search || url.hash) throw invalid('it has a query or fragment')
  if (!API_PATH.test(url.pathname)) {
    throw invalid('it has a path', "give the host only; a path prefix belongs in 'project'")
  }
  const loopback = LOOPBACK.test(url.hostname)
  const host = DOCKER_HUB.has(url.hostname) ? DEFAULT_DOMAIN : url.host
  return { host, secure: hasScheme ? url.protocol === 'https:' : !loopback }
}

/** Only plain ASCII hosts: no spaces, nothing that a URL parser would drop or turn into another host. */
function parseUrl(text: string): URL | undefined {
  if (!/^[\x21-\x7e]+$/.test(text) || /[\\%]/.test(text)) return undefined
  const url = URL.parse(text)
  return url?.hostname ? url : undefined
}

function invalid(rule: string, hint = 'write it as in a reference: registry.example.com or host:5000') {
  return new ImgctlError('BAD_REQUEST', `url: not a registry's address: ${rule}`, { hint })
}
