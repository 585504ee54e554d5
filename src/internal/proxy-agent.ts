import { buildConnector, type Dispatcher, errors, Pool, ProxyAgent, Socks5ProxyAgent } from 'undici'
import { type NamedProxy, ProxyError } from './proxy-error.ts'

/** A proxy that waits for a host gives up by itself in about this time. */
const TUNNEL_TIMEOUT_MS = 30_000

/**
 * Sends requests through a proxy. What fails before the proxy has opened the way is a ProxyError.
 *
 * @param connect time limit and trust of connections, the proxy's own too
 */
export function proxyAgent(proxy: NamedProxy, connect: buildConnector.BuildOptions): Dispatcher {
  if (proxy.url.protocol.startsWith('socks')) return socksAgent(proxy, connect)
  return new ProxyAgent({
    uri: proxy.url.href,
    requestTls: connect,
    proxyTls: connect,
    clientFactory: (_, options) => new TunnelClient(proxy, options),
  })
}

/** Not undici's ProxyAgent, which speaks TLS to a SOCKS proxy as soon as it has options for TLS. */
function socksAgent(proxy: NamedProxy, requestTls: buildConnector.BuildOptions): Dispatcher {
  const dial = buildConnector(requestTls)
  const options: Socks5ProxyAgent.Options & { requestTls: buildConnector.BuildOptions } = {
    requestTls,
    connect: (target, callback) =>
      dial(target, (...[cause, socket]) =>
        cause ? callback(new ProxyError(proxy, { cause }), null) : callback(null, socket),
      ),
  }
  return new Socks5ProxyAgent(proxy.url, options)
}

type ConnectOptions = Omit<Dispatcher.ConnectOptions, 'origin'>
type ConnectCallback = (error: Error | null, data: Dispatcher.ConnectData) => void

/** Connections to a proxy that speaks HTTP, as ProxyAgent asks for them. */
class TunnelClient extends Pool {
  readonly #proxy: NamedProxy

  constructor(proxy: NamedProxy, options: Pool.Options) {
    super(proxy.url.origin, { ...options, headersTimeout: TUNNEL_TIMEOUT_MS })
    this.#proxy = proxy
  }

  override connect(options: ConnectOptions): Promise<Dispatcher.ConnectData>
  override connect(options: ConnectOptions, callback: ConnectCallback): void
  override connect(
    options: ConnectOptions,
    callback?: ConnectCallback,
  ): Promise<Dispatcher.ConnectData> | undefined {
    if (!callback) return this.#openTunnel(options)
    super.connect(options, callback)
    return undefined
  }

  async #openTunnel(options: ConnectOptions): Promise<Dispatcher.ConnectData> {
    let answer: Dispatcher.ConnectData
    try {
      answer = await super.connect(options)
    } catch (cause) {
      throw isOurEnd(cause) ? cause : new ProxyError(this.#proxy, { cause })
    }
    if (answer.statusCode === 200) return answer
    answer.socket.on('error', () => undefined).destroy()
    throw new ProxyError(this.#proxy, { status: answer.statusCode })
  }
}

/** The request or the client was ended here. */
function isOurEnd(cause: unknown): boolean {
  return (
    cause instanceof errors.RequestAbortedError ||
    cause instanceof errors.ClientDestroyedError ||
    cause instanceof errors.ClientClosedError
  )
}
