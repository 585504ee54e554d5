import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'
import { ImgctlError } from '../../errors/error.ts'

/** A proxy on this machine says who the client is. */
const THIS_MACHINE = 'loopback'
const MAX_PREFIX = { 4: 32, 6: 128 } as const
/** Some proxies write the client's port behind its address. */
const WITH_PORT = /^(?:\[(?<six>[0-9a-f:.]+)\]|(?<four>[\d.]+))(?::\d{1,5})?$/i

/**
 * Whose forwarded headers are believed: a proxy's on this machine, and those that the settings name.
 *
 * @param chosen addresses and CIDR ranges, as assertTrustedProxies takes them
 * @returns for Fastify's `trustProxy`: the client is then the last address in `X-Forwarded-For` that is no such proxy
 */
export function trustedProxies(chosen: readonly string[]): string[] {
  return [THIS_MACHINE, ...chosen]
}

/** @throws ImgctlError USAGE for what is no address and no range of them, and for a range that is everybody */
export function assertTrustedProxies(chosen: readonly string[]): void {
  for (const each of chosen) {
    const [address = '', prefix, ...rest] = each.split('/')
    const family = isIP(address) as 0 | 4 | 6
    const bits = prefix === undefined ? undefined : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
    const isRange = bits === undefined || bits <= MAX_PREFIX[family === 6 ? 6 : 4]
    if (family === 0 || address.includes('%') || !isRange || rest.length > 0) {
      throw new ImgctlError(
        'USAGE',
        `--trusted-proxy takes addresses and ranges of them, not ${JSON.stringify(each)}`,
        { hint: 'write it like 10.0.0.5 or 10.0.0.0/24; several with commas between' },
      )
    }
    if (bits === 0) {
      throw new ImgctlError('USAGE', `--trusted-proxy ${each} would believe everybody`, {
        hint: 'name the network that only the proxies are in',
      })
    }
  }
}

/**
 * The address a request came from, in the one form that limits count and the audit log keeps: of the forwarded ones
 * the last that no trusted proxy has, without a port; the sender's own where a proxy passed on what is no address.
 */
export function clientAddress({ ip, socket }: Pick<FastifyRequest, 'ip' | 'socket'>): string {
  const { six, four } = WITH_PORT.exec(ip)?.groups ?? {}
  const address = [ip, six ?? four ?? ''].find((each) => isIP(each) !== 0) ?? socket.remoteAddress ?? ''
  // On a socket for both families an IPv4 client has an IPv6 address.
  return isIP(address) === 0 ? address : ipaddr.process(address).toString()
}
