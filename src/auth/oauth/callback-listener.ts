import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ImgctlError } from '../../errors/error.ts'
import { type CallbackPage, PAGE_HEADERS, PAGES, pageHtml } from './callback-page.ts'

const PATH = '/callback'
const IPV4 = '127.0.0.1'
/** For browsers that turn the address into `localhost` and that into IPv6. */
const IPV6 = '::1'
/** One browser needs two or three. */
const MAX_CONNECTIONS = 32
/** A request is a line and a few headers. */
const REQUEST_TIMEOUT_MS = 10_000
/** How long the last page may take to reach the browser. */
const LAST_PAGE_MS = 2_000

/** Listens on this machine only for what the issuer sends the browser back with (RFC 8252, section 7.3). */
export interface CallbackListener {
  /** `http://127.0.0.1:<port>/callback` */
  readonly redirectUri: string
  /** The first callback of this login. Whoever takes it says at the end which page the browser shows. */
  readonly callback: Promise<Callback>
  readonly close: () => Promise<void>
}

export interface Callback {
  /** With the issuer's parameters. */
  readonly url: URL
  readonly show: (page: CallbackPage) => Promise<void>
}

/**
 * @param port undefined: a free one
 * @param onRefused told of each callback that is not of this login: a page of another run, or somebody else
 * @throws ImgctlError CONFLICT when the port is taken
 */
export async function listenForCallback(
  state: string,
  port: number | undefined,
  onRefused: (reason: string) => void,
): Promise<CallbackListener> {
  let arrive: (callback: Callback) => void = () => {}
  const callback = new Promise<Callback>((resolve) => {
    arrive = resolve
  })
  let answered = false
  let ownPort = 0
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const url = URL.parse(request.url ?? '/', `http://${IPV4}:${ownPort}`)
    const obstacle = obstacleOf(request, url, ownPort)
    if (!url || obstacle) return void send(response, obstacle ?? PAGES.notFound)
    if (!isSame(url.searchParams.get('state') ?? '', state)) {
      onRefused('a callback with another state was refused')
      return void send(response, PAGES.wrongState)
    }
    if (answered) return void send(response, PAGES.used)
    answered = true
    arrive({ url, show: (page) => send(response, page) })
  }
  const first = await listen(handle, IPV4, port ?? 0)
  ownPort = (first.address() as AddressInfo).port
  const second = await listen(handle, IPV6, ownPort).catch(() => undefined)
  const servers = second ? [first, second] : [first]
  return {
    redirectUri: `http://${IPV4}:${ownPort}${PATH}`,
    callback,
    close: async () => {
      await Promise.all(servers.map(close))
    },
  }
}

/**
 * What speaks against a request: only a browser's own navigation to this very address is a callback. A name that was
 * pointed at this machine (DNS rebinding) shows in Host, a page's script or image in Origin and Sec-Fetch-*.
 */
function obstacleOf(
  { method, headers }: IncomingMessage,
  url: URL | null,
  port: number,
): CallbackPage | undefined {
  const hosts = [`${IPV4}:${port}`, `[${IPV6}]:${port}`, `localhost:${port}`]
  if (!hosts.includes(headers.host ?? '')) return PAGES.refused
  if (headers.origin !== undefined) return PAGES.refused
  if ((headers['sec-fetch-mode'] ?? 'navigate') !== 'navigate') return PAGES.refused
  if ((headers['sec-fetch-dest'] ?? 'document') !== 'document') return PAGES.refused
  return method === 'GET' && url?.pathname === PATH ? undefined : PAGES.notFound
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function send(response: ServerResponse, page: CallbackPage): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LAST_PAGE_MS)
    response.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    response.writeHead(page.status, PAGE_HEADERS).end(pageHtml(page))
  })
}

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  host: string,
  port: number,
): Promise<Server> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, keepAlive: false }, handle)
  server.maxConnections = MAX_CONNECTIONS
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(port, cause)))
    server.listen({ host, port, exclusive: true }, () => resolve(server))
  })
}

function listenError(port: number, cause: Error): ImgctlError {
  return new ImgctlError('CONFLICT', `port ${port} of ${IPV4} cannot be used for the login's callback`, {
    hint: 'without --callback-port a free one is taken; or log in with a code: imgctl login --device',
    cause,
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
