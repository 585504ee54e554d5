import { BlockList, isIP } from 'node:net'
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
const LOOPBACK = ['localhost', '127.0.0.0/8', '::1']
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

/**
 * The variable whose proxy a request for `url` goes through; undefined when it goes direct. Without HTTPS_PROXY,
 * HTTP_PROXY is for both.
 */
export function proxyFor(url: URL, environment: ProxyEnvironment): ProxyVariable | undefined {
  const https = url.protocol === 'https:' ? proxyVariable(environment, 'HTTPS_PROXY') : undefined
  const proxy = https ?? proxyVariable(environment, 'HTTP_PROXY')
  return proxy && !isExcluded(url, environment) ? proxy : undefined
}

/**
 * Whether NO_PROXY, or being this machine, keeps a request from the proxy. An entry is `*`, a host (with its subdomains,
 * a leading dot or `*.` changes nothing), an address, or a range like `10.0.0.0/8`; with `:PORT` it is for that port only.
 */
function isExcluded({ hostname, port, protocol }: URL, environment: ProxyEnvironment): boolean {
  const entries = (proxyVariable(environment, 'NO_PROXY')?.value ?? '').split(/[,\s]+/)
  const wanted = Number(port) || DEFAULT_PORTS[protocol]
  return [...entries, ...LOOPBACK].some((entry) => {
    if (entry === '*') return true
    const [, withPort, only] = /^(\[.*\]|[^:]+):(\d+)$/.exec(entry) ?? []
    if (only !== undefined && Number(only) !== wanted) return false
    return matches(hostname, (withPort ?? entry).toLowerCase())
  })
}

function matches(hostname: string, entry: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  if (isIP(address)) return inRange(address, entry.replace(/^\[|\]$/g, ''))
  const host = entry.replace(/^\*?\./, '')
  return host !== '' && (hostname === host || hostname.endsWith(`.${host}`))
}

function inRange(address: string, entry: string): boolean {
  const [network = '', prefix, ...rest] = entry.split('/')
  const family = isIP(network)
  const bits = family === 4 ? 32 : 128
  const length = prefix === undefined ? bits : Number(prefix)
  const isRange =
    family !== 0 && rest.length === 0 && (prefix === undefined || /^\d+$/.test(prefix)) && length <= bits
  if (!isRange) return false
  const range = new BlockList()
  range.addSubnet(network, length, family === 4 ? 'ipv4' : 'ipv6')
  return range.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}
