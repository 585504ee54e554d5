import { ImgctlError } from '../errors/error.ts'

export type ProxyEnvironment = Readonly<Record<string, string | undefined>>

/** A variable that is set, and its value. */
export interface ProxyVariable {
  readonly name: string
  readonly value: string
}

const NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'] as const
/** What undici can go through. */
const PROXY_PROTOCOLS = ['http:', 'https:', 'socks:', 'socks5:']

/** Never through a proxy, which has a loopback of its own: the rule of Go's and curl's clients. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** The proxy variables that are in force: the one in lower case goes before its twin, and an empty one is none. */
export function proxyVariables(environment: ProxyEnvironment): ProxyVariable[] {
  return NAMES.flatMap((upper) => {
    const name = [upper.toLowerCase(), upper].find((candidate) => environment[candidate])
    return name === undefined ? [] : [{ name, value: (environment[name] ?? '').trim() }]
  })
}

/** The variable for one of the three names. */
export function proxyVariable(
  environment: ProxyEnvironment,
  upper: (typeof NAMES)[number],
): ProxyVariable | undefined {
  return proxyVariables(environment).find(({ name }) => name.toUpperCase() === upper)
}

/**
 * The proxy that a variable names. `host:port` is plain HTTP, as for Go's and curl's clients.
 *
 * @throws ImgctlError USAGE naming the variable, not its value, which may hold a password
 */
export function proxyUrl({ name, value }: ProxyVariable): URL {
  const text = value.includes('://') ? value : `http://${value}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && PROXY_PROTOCOLS.includes(url.protocol)) return url
  throw new ImgctlError('USAGE', `${name} does not name a proxy that can be used`, {
    hint: `${name}=http://HOST:PORT`,
  })
}

/** NO_PROXY, and what never goes through a proxy. */
export function noProxy(environment: ProxyEnvironment): string {
  const value = proxyVariable(environment, 'NO_PROXY')?.value
  return value === '*' ? value : [...(value ? [value] : []), ...LOOPBACK].join(',')
}

/**
 * The variable whose proxy a request for `url` goes through; undefined when it goes direct. undici's own rule, which it
 * keeps to itself: a host in NO_PROXY stands for its subdomains too, and without HTTPS_PROXY, HTTP_PROXY is for both.
 */
export function proxyFor(url: URL, environment: ProxyEnvironment): ProxyVariable | undefined {
  const https = url.protocol === 'https:' ? proxyVariable(environment, 'HTTPS_PROXY') : undefined
  const proxy = https ?? proxyVariable(environment, 'HTTP_PROXY')
  return proxy && !isExcluded(url, noProxy(environment)) ? proxy : undefined
}

function isExcluded({ hostname, port, protocol }: URL, exclusions: string): boolean {
  if (exclusions === '*') return true
  const wanted = Number(port) || DEFAULT_PORTS[protocol]
  return exclusions.split(/[,\s]+/).some((entry) => {
    const [, withPort, only] = /^(.+):(\d+)$/.exec(entry) ?? []
    const host = (withPort ?? entry).replace(/^\*?\./, '').toLowerCase()
    if (host === '' || (only !== undefined && Number(only) !== wanted)) return false
    return hostname === host || hostname.endsWith(`.${host}`)
  })
}
