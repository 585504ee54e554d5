import { env } from 'node:process'
import { type Dispatcher, EnvHttpProxyAgent } from 'undici'

/** A host that does not take a connection in this time is retried or reported. */
const CONNECT_TIMEOUT_MS = 10_000

/** Never through a proxy, which has a loopback of its own: the rule of Go's and curl's clients. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

export type ProxyEnvironment = Readonly<Record<string, string | undefined>>

/**
 * One keep-alive connection pool for a process. Honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (also in
 * lower case); Node adds `NODE_EXTRA_CA_CERTS` to what is trusted.
 */
export function createHttpDispatcher(environment: ProxyEnvironment = env): Dispatcher {
  const read = (name: string) => environment[name.toLowerCase()] || environment[name]
  const [http, https, no] = [read('HTTP_PROXY'), read('HTTPS_PROXY'), read('NO_PROXY')?.trim()]
  return new EnvHttpProxyAgent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    httpProxy: http ?? '',
    httpsProxy: https ?? '',
    noProxy: no === '*' ? no : [...(no ? [no] : []), ...LOOPBACK].join(','),
  })
}
