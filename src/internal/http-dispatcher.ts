import { env } from 'node:process'
import { type Dispatcher, EnvHttpProxyAgent } from 'undici'
import { noProxy, type ProxyEnvironment, proxyUrl, proxyVariable } from './proxy-environment.ts'

/** A host that does not take a connection in this time is retried or reported. */
const CONNECT_TIMEOUT_MS = 10_000

/**
 * One keep-alive connection pool for a process. Honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (also in
 * lower case); Node adds `NODE_EXTRA_CA_CERTS` to what is trusted.
 *
 * @throws ImgctlError USAGE for a variable that names no proxy
 */
export function createHttpDispatcher(environment: ProxyEnvironment = env): Dispatcher {
  const proxy = (name: 'HTTP_PROXY' | 'HTTPS_PROXY') => {
    const variable = proxyVariable(environment, name)
    return variable ? proxyUrl(variable).href : ''
  }
  return new EnvHttpProxyAgent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    httpProxy: proxy('HTTP_PROXY'),
    httpsProxy: proxy('HTTPS_PROXY'),
    noProxy: noProxy(environment),
  })
}
