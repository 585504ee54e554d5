import { env } from 'node:process'
import { Agent, Dispatcher } from 'undici'
import { proxyAgent } from './proxy-agent.ts'
import { type ProxyEnvironment, proxyFor, proxyUrl, proxyVariables } from './proxy-environment.ts'
import { type TlsTrust, tlsOptions } from './tls-trust.ts'

/** A host that does not take a connection in this time is retried or reported. */
const CONNECT_TIMEOUT_MS = 10_000

/**
 * One keep-alive connection pool for a process: every request to servers, registries and identity providers goes
 * through it. Honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (also in lower case).
 *
 * @throws ImgctlError USAGE for a variable that names no proxy; as `tlsOptions`
 */
export function createHttpDispatcher(environment: ProxyEnvironment = env, trust: TlsTrust = {}): Dispatcher {
  return new RoutingDispatcher(environment, trust)
}

/** Sends each request through the proxy of its origin, or directly. */
class RoutingDispatcher extends Dispatcher {
  readonly #environment: ProxyEnvironment
  readonly #direct: Agent
  /** By the variable that names the proxy. */
  readonly #proxies: ReadonlyMap<string, Dispatcher>

  constructor(environment: ProxyEnvironment, trust: TlsTrust) {
    super()
    this.#environment = environment
    const connect = { timeout: CONNECT_TIMEOUT_MS, ...tlsOptions(trust, environment) }
    this.#direct = new Agent({ connect })
    this.#proxies = new Map(
      proxyVariables(environment)
        .filter(({ name }) => name.toUpperCase() !== 'NO_PROXY')
        .map((variable) => [
          variable.name,
          proxyAgent({ variable: variable.name, url: proxyUrl(variable) }, connect),
        ]),
    )
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#route(options.origin).dispatch(options as Agent.DispatchOptions, handler)
  }

  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | void {
    const closed = this.#all((agent) => agent.close())
    return callback ? void closed.then(callback) : closed
  }

  override destroy(): Promise<void>
  override destroy(error: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(
    first?: Error | null | (() => void),
    callback = typeof first === 'function' ? first : undefined,
  ): Promise<void> | void {
    const error = typeof first === 'function' ? null : (first ?? null)
    const destroyed = this.#all((agent) => agent.destroy(error))
    return callback ? void destroyed.then(callback) : destroyed
  }

  #route(origin: string | URL | undefined): Dispatcher {
    const variable = origin === undefined ? undefined : proxyFor(new URL(origin), this.#environment)
    return (variable && this.#proxies.get(variable.name)) ?? this.#direct
  }

  async #all(action: (agent: Dispatcher) => Promise<void>): Promise<void> {
    await Promise.all([this.#direct, ...this.#proxies.values()].map(action))
  }
}
