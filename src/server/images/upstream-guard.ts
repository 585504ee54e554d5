import { lookup as resolve } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, buildConnector } from 'undici'
import { ImgctlError } from '../../errors/error.ts'

/** A registry that does not take a connection within this time is down, not slow. */
const CONNECT_TIMEOUT_MS = 10_000
/** Registries of ours and others may look long for the first byte of a cold blob. */
const FIRST_BYTE_TIMEOUT_MS = 60_000
/** Between two pieces of a body: what gives nothing for so long is stuck. */
const IDLE_TIMEOUT_MS = 60_000
/** IPv4-compatible addresses, `::7f00:1`: long deprecated, and a way to write a private one (RFC 4291, 2.5.5.1). */
const IPV4_COMPATIBLE = new BlockList()
IPV4_COMPATIBLE.addSubnet('::', 96, 'ipv6')
/** Azure's platform services: an address like a public one that only virtual machines there reach. */
const AZURE_PLATFORM = '168.63.129.16'

/**
 * Connections to registries that users name, without letting them reach what only the server can reach (SSRF).
 * Every connection passes here, those after a redirect and those to a token realm too: the name is resolved, every
 * address must be public, and the connection goes to one of the addresses that were looked at. So a name that
 * resolves to something else the second time (DNS rebinding) gains nothing.
 *
 * @param allowed `host` (any port) or `host:port`, which may have any address and speak plain HTTP
 */
export function guardedAgent(allowed: readonly string[]): Agent {
  const free = buildConnector({ timeout: CONNECT_TIMEOUT_MS })
  const guarded = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: lookupPublic })
  const connect: buildConnector.connector = (options, callback) => {
    const host = withoutBrackets(options.hostname)
    const port = options.port || (options.protocol === 'https:' ? '443' : '80')
    if (isAllowedHost(allowed, host, port)) return free(options, callback)
    const refusal = refuse(host, options.protocol)
    if (refusal) return callback(refusal, null)
    return guarded(options, callback)
  }
  return new Agent({ connect, headersTimeout: FIRST_BYTE_TIMEOUT_MS, bodyTimeout: IDLE_TIMEOUT_MS })
}

/** Whether an entry of the allow-list is this host, or this host and port. */
export function isAllowedHost(allowed: readonly string[], host: string, port: string): boolean {
  const name = host.toLowerCase()
  return allowed.some((entry) => {
    const known = entry.toLowerCase()
    return [name, `[${name}]`].some((form) => known === form || known === `${form}:${port}`)
  })
}

/**
 * Whether a registry is spoken to without TLS: only one that the allow-list names, and only when it is this machine
 * or the organization's entry for it says so.
 *
 * @param domain as in a reference: host or host:port
 * @param secure what the entry says, when there is one
 */
export function isPlainHttp(
  allowed: readonly string[],
  domain: string,
  secure: boolean | undefined,
): boolean {
  const { hostname, port } = new URL(`https://${domain}`)
  const host = withoutBrackets(hostname)
  const known = isAllowedHost(allowed, host, port || '80') || isAllowedHost(allowed, host, port || '443')
  return known && !(secure ?? !isLoopbackHost(host))
}

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback')
}

/** Whether an address is one that the public internet routes to: not loopback, private, link-local, shared, mapped ... */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  // ipaddr.js takes `::8.8.8.8` for `::ffff:8.8.8.8`.
  if (isIPv6(address) && IPV4_COMPATIBLE.check(address, 'ipv6')) return false
  const known = ipaddr.process(address)
  return known.range() === 'unicast' && known.toString() !== AZURE_PLATFORM
}

/** The guard's refusal. Registry clients hand an ImgctlError through, so it arrives as it is. */
export class ForbiddenSourceError extends ImgctlError {
  constructor(message: string) {
    super('FORBIDDEN', message)
  }
}

function refuse(host: string, protocol: string): ForbiddenSourceError | undefined {
  // A name is looked at when it is resolved; an address is not resolved.
  if (isIP(host) !== 0 && !isPublicAddress(host)) return forbidden(host)
  if (protocol === 'https:') return undefined
  return new ForbiddenSourceError(`${host} would be spoken to without TLS`)
}

const lookupPublic: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '')
    // One private address among public ones is a trick as well.
    if (addresses.length === 0 || !addresses.every(({ address }) => isPublicAddress(address))) {
      return callback(forbidden(hostname), '')
    }
    if (options.all) return callback(null, addresses)
    const [first] = addresses
    callback(null, first!.address, first!.family)
  })
}

/** The address itself is not told: names inside the server's network are nobody's business. */
function forbidden(host: string): ForbiddenSourceError {
  return new ForbiddenSourceError(`${host} is not a public address`)
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}
