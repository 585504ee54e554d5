import { Agent } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import type { Endpoint, TcpEndpoint } from './endpoint.ts'
import { dialSsh } from './ssh.ts'

/**
 * Opens the connections of one engine, whatever it is reached by. Connections are not kept: an engine that
 * restarts between two requests must not fail the second, and an idle socket must not keep the process alive.
 */
export class EngineAgent extends Agent {
  readonly #dial: () => Duplex

  constructor(endpoint: Endpoint, variables: Readonly<Record<string, string | undefined>>) {
    super({ keepAlive: false })
    this.#dial = () => dial(endpoint, variables)
  }

  override createConnection(): Duplex {
    return this.#dial()
  }

  /** docker-modem inspects each request in depth, and prints it under DEBUG: sockets and TLS keys stay out. */
  [inspect.custom](): string {
    return 'EngineAgent'
  }
}

function dial(endpoint: Endpoint, variables: Readonly<Record<string, string | undefined>>): Duplex {
  switch (endpoint.kind) {
    case 'socket':
      return connect({ path: endpoint.path })
    case 'tcp':
      return dialTcp(endpoint)
    case 'ssh':
      return dialSsh(endpoint, variables)
  }
}

function dialTcp({ hostname, port, tls }: TcpEndpoint): Duplex {
  if (!tls) return connect({ host: hostname, port })
  const { ca, cert, key, verify } = tls
  // Loaded by those who need it: TLS takes as long to load as Node to start.
  return process.getBuiltinModule('node:tls').connect({
    host: hostname,
    port,
    servername: /^[\d.]+$|:/.test(hostname) ? '' : hostname,
    rejectUnauthorized: verify,
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  })
}
