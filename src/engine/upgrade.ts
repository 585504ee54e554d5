import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import type { Duplex } from 'node:stream'
import type { EngineAgent } from './dial.ts'

/** A request that asks to use its connection for another protocol. */
export interface UpgradeRequest {
  readonly agent: EngineAgent
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  /** The name of the other protocol: `h2c`. */
  readonly protocol: string
  readonly signal?: AbortSignal | undefined
}

/**
 * The connection itself when the engine agreed, its answer otherwise. The signal counts until then. This goes past
 * docker-modem, which sends such a request with a chunked body: its last bytes could be taken for the new protocol.
 */
export function requestUpgrade(call: UpgradeRequest): Promise<Duplex | IncomingMessage> {
  const { agent, path, headers, protocol, signal } = call
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...{ agent, path, method: 'POST' },
      headers: { ...headers, Connection: 'Upgrade', Upgrade: protocol },
    })
    const abort = () => outgoing.destroy(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    const settled = () => signal?.removeEventListener('abort', abort)
    outgoing.on('upgrade', (_response, socket: Duplex, head: Buffer) => {
      settled()
      // What the engine sent right after its answer belongs to the new protocol.
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    outgoing.on('response', (response) => {
      settled()
      resolve(response)
    })
    outgoing.on('error', (error) => {
      settled()
      reject(error)
    })
    outgoing.end()
  })
}
