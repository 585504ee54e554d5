import { ImgctlError } from '../errors/error.ts'

/** TLS for an engine on TCP. PEM content, as docker keeps it in ca.pem, cert.pem and key.pem. */
export interface TlsMaterial {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  /** false: the engine's certificate is not checked. */
  readonly verify: boolean
}

/** How to reach an engine. `host` is its printable form, as DOCKER_HOST would hold it; never a secret. */
export type Endpoint = SocketEndpoint | TcpEndpoint | SshEndpoint

export interface SocketEndpoint {
  readonly kind: 'socket'
  readonly host: string
  /** A Unix socket or, on Windows, a named pipe. */
  readonly path: string
}

export interface TcpEndpoint {
  readonly kind: 'tcp'
  readonly host: string
  readonly hostname: string
  readonly port: number
  /** Put before each path, for an engine behind a proxy: empty, or `/prefix`. */
  readonly basePath: string
  readonly tls?: TlsMaterial
}

export interface SshEndpoint {
  readonly kind: 'ssh'
  readonly host: string
  readonly hostname: string
  readonly user?: string
  readonly port?: string
  /** The socket on the other machine; its docker client's default when absent. */
  readonly socketPath?: string
}

export const DEFAULT_UNIX_SOCKET = '/var/run/docker.sock'
export const DEFAULT_NAMED_PIPE = '//./pipe/docker_engine'

/** IANA's ports for the Docker API, plain and with TLS. */
const PLAIN_PORT = 2375
const TLS_PORT = 2376

/**
 * Reads an engine address: `unix:///path`, `/path`, `npipe:////./pipe/name` in all the ways that it is written, `tcp://host[:port][/prefix]`,
 * `http://`, `https://`, `ssh://[user@]host[:port][/socket]`, or `host:port`.
 * https://docs.docker.com/reference/cli/dockerd/#daemon-socket-option
 *
 * @param tls used for `tcp://`; `https://` verifies the certificate also without it
 * @throws ImgctlError USAGE, naming `origin` (where the text came from)
 */
export function parseEndpoint(text: string, origin: string, tls?: TlsMaterial): Endpoint {
  if (text.startsWith('\\\\.\\pipe\\')) return pipeEndpoint(text)
  if (text.startsWith('/')) return socketEndpoint(text)
  if (text.startsWith('npipe:\\')) return pipeEndpoint(text.slice('npipe:'.length))
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1]
  if (scheme === 'unix') return socketEndpoint(text.slice('unix://'.length) || DEFAULT_UNIX_SOCKET)
  if (scheme === 'npipe') return pipeEndpoint(text.slice('npipe://'.length) || DEFAULT_NAMED_PIPE)
  const url = parseUrl(scheme === undefined ? `tcp://${text}` : text)
  if (url?.hostname) {
    if (url.protocol === 'ssh:') return sshEndpoint(url)
    if (url.protocol === 'tcp:' || url.protocol === 'http:') return tcpEndpoint(url, tls)
    if (url.protocol === 'https:') return tcpEndpoint(url, tls ?? { verify: true })
  }
  throw new ImgctlError('USAGE', `${origin} is not an engine address`, {
    hint: 'use unix:///path/docker.sock, tcp://host:2376, ssh://user@host or npipe:////./pipe/docker_engine',
  })
}

export function socketEndpoint(path: string): SocketEndpoint {
  return { kind: 'socket', path, host: `unix://${path}` }
}

/** Node opens pipes as `\\.\pipe\name`; docker writes them with slashes, others double each of them. */
export function pipeEndpoint(path: string): SocketEndpoint {
  const slashes = `/${path.replaceAll(/[\\/]+/g, '/')}`
  return { kind: 'socket', path: slashes.replaceAll('/', '\\'), host: `npipe://${slashes}` }
}

function tcpEndpoint(url: URL, tls: TlsMaterial | undefined): TcpEndpoint {
  const port = url.port ? Number(url.port) : defaultPort(url.protocol, tls)
  const basePath = url.pathname.replace(/\/+$/, '')
  const scheme = url.protocol === 'tcp:' ? 'tcp' : url.protocol.slice(0, -1)
  return {
    kind: 'tcp',
    host: `${scheme}://${url.hostname}:${port}${basePath}`,
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    basePath,
    ...(tls ? { tls } : {}),
  }
}

function defaultPort(protocol: string, tls: TlsMaterial | undefined): number {
  if (protocol === 'http:') return 80
  if (protocol === 'https:') return 443
  return tls ? TLS_PORT : PLAIN_PORT
}

function sshEndpoint(url: URL): SshEndpoint {
  const user = decodeURIComponent(url.username)
  const socketPath = url.pathname.replace(/\/+$/, '')
  const at = user ? `${user}@` : ''
  return {
    kind: 'ssh',
    host: `ssh://${at}${url.host}${socketPath}`,
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(user ? { user } : {}),
    ...(url.port ? { port: url.port } : {}),
    ...(socketPath ? { socketPath } : {}),
  }
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
