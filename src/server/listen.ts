import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { ErrorCode } from '../errors/codes.ts'
import { ImgctlError } from '../errors/error.ts'
import type { ServerSettings } from './context.ts'
import type { Connections } from './http/connections.ts'
import { assertTrustedProxies } from './identity/client-address.ts'
import { assertExternalIssuer } from './identity/external-tokens.ts'

/** What a client may still need after the server was told to stop. */
const DRAIN_MS = 30_000
/** How often connections are closed whose last answer has gone out. */
const IDLE_CHECK_MS = 100
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/
/** One address: for the name, Fastify would open a second server that nothing here knows of. */
const LOCALHOST = '127.0.0.1'
/** A wildcard address is reached from this machine through loopback. */
const WILDCARDS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/** @throws ImgctlError USAGE for settings that no server may start with */
export function assertListenable(settings: ServerSettings): void {
  const { host, port, tls, insecureHttp, publicUrl, oidc, trustedProxies } = settings
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ImgctlError('USAGE', `${port} is not a port`, {
      hint: 'choose 1 to 65535, or 0 for a free one',
    })
  }
  if (publicUrl !== undefined) assertPublicUrl(publicUrl)
  assertTrustedProxies(trustedProxies)
  if (oidc) assertExternalIssuer(oidc)
  if (!tls && !insecureHttp && !LOOPBACK.test(host)) {
    throw new ImgctlError('USAGE', `${host} can be reached from other machines, and there is no TLS`, {
      hint: 'give --tls-cert and --tls-key, or --insecure-http when a proxy in front does TLS',
    })
  }
}

/**
 * @returns the port, and a URL that works on this machine
 * @throws ImgctlError CONFLICT (port in use), USAGE (address not this machine's, port not allowed)
 */
export async function listen(
  app: FastifyInstance,
  settings: ServerSettings,
): Promise<{ port: number; url: string }> {
  const { port, tls } = settings
  const host = settings.host === 'localhost' ? LOCALHOST : settings.host
  try {
    await app.listen({ host, port, listenTextResolver: () => 'listening' })
  } catch (cause) {
    throw listenError(cause, host, port)
  }
  const bound = (app.server.address() as AddressInfo).port
  const reachable = WILDCARDS[host] ?? host
  const name = reachable.includes(':') ? `[${reachable}]` : reachable
  return { port: bound, url: `${tls ? 'https' : 'http'}://${name}:${bound}` }
}

/**
 * How browsers reach the server: its public URL, else the address that it listens on. Undefined when that is every
 * address of the machine: which of them others use, nobody has said.
 *
 * @param url as listen answered
 */
export function originOf({ publicUrl, host }: ServerSettings, url: string): string | undefined {
  if (publicUrl !== undefined) return new URL(publicUrl).origin
  return host in WILDCARDS ? undefined : url
}

/**
 * Accepts nothing more, waits for the requests in flight, and after `drainMs` cuts them.
 *
 * @param connections those of the app's server
 */
export async function drain(
  app: FastifyInstance,
  connections: Connections,
  drainMs = DRAIN_MS,
): Promise<void> {
  const idle = setInterval(() => connections.closeIdle(), IDLE_CHECK_MS)
  const deadline = setTimeout(() => connections.closeAll(), drainMs)
  try {
    await app.close()
  } finally {
    clearInterval(idle)
    clearTimeout(deadline)
  }
}

function assertPublicUrl(text: string): void {
  const url = URL.parse(text)
  const web = url?.protocol === 'https:' || url?.protocol === 'http:'
  const bare =
    url && web && url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password
  if (bare) return
  throw new ImgctlError('USAGE', `--public-url is not a URL without a path: ${JSON.stringify(text)}`, {
    hint: 'write it like https://images.example.com',
  })
}

function listenError(cause: unknown, host: string, port: number): unknown {
  const [code, message, hint] = LISTEN_ERRORS[(cause as NodeJS.ErrnoException).code ?? ''] ?? []
  if (!code) return cause
  return new ImgctlError(code, `${message}: ${host}:${port}`, { ...(hint ? { hint } : {}), cause })
}

const LISTEN_ERRORS: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  EADDRINUSE: ['CONFLICT', 'the port is in use', 'stop what uses it, or choose another with --port'],
  EADDRNOTAVAIL: ['USAGE', 'this machine does not have the address', 'choose one of its own with --host'],
  EACCES: ['USAGE', 'this user may not use the port', 'choose a port from 1024 on with --port'],
  ENOTFOUND: ['USAGE', 'the host has no address', 'choose an address of this machine with --host'],
}
