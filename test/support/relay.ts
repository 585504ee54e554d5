import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Exchange, Fault } from './fault.ts'

/** The open connections of a proxy: which is which, and the bytes of bodies that came over it. */
export type Connections = Map<Duplex, { readonly number: number; sent: number }>

/** Answers in the target's place. */
export function answerHere(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, headers = {}, body = '', after }: Answer,
  exchange: Exchange,
): void {
  let isAnswered = false
  const answer = (more: Record<string, string> = {}) => {
    if (isAnswered) return
    isAnswered = true
    exchange.status = status
    outgoing.writeHead(status, { ...headers, ...more }).end(body)
  }
  incoming.on('data', (chunk: Buffer) => {
    exchange.sent += chunk.length
    if (after !== undefined && exchange.sent >= after) answer({ connection: 'close' })
  })
  incoming.on('end', () => answer())
  incoming.on('error', () => outgoing.destroy())
}

/** To the target, as far as the fault lets it. */
export async function passBody(
  incoming: IncomingMessage,
  forward: ClientRequest,
  fault: Fault,
  exchange: Exchange,
  connection: { sent: number },
): Promise<void> {
  const { cutAfter = Infinity, cutConnectionAfter = Infinity, stallAfter = Infinity } = fault
  const cutAt = Math.min(cutAfter, cutConnectionAfter - connection.sent)
  const startedAt = Date.now()
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, Math.max(0, Math.min(cutAt, stallAfter) - exchange.sent))
    exchange.sent += part.length
    connection.sent += part.length
    // It answered before it had read everything, and went: the rest is of no use.
    if (forward.destroyed) return void incoming.resume()
    if (!forward.write(part)) await hasRoom(forward)
    if (exchange.sent >= cutAt) {
      exchange.isCut = true
      incoming.socket.resetAndDestroy()
      forward.destroy()
      return
    }
    if (exchange.sent >= stallAfter) {
      await new Promise((resolve) => incoming.socket.once('close', resolve))
      forward.destroy()
      return
    }
    const due = startedAt + (exchange.sent / (fault.bytesPerSecond ?? Infinity)) * 1000
    const early = due - Date.now()
    if (early > 0) await sleep(early)
  }
  forward.end()
}

function hasRoom(forward: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      forward.off('drain', settle).off('close', settle)
      resolve()
    }
    forward.on('drain', settle).on('close', settle)
  })
}

/** To the client, as far as the fault lets it. */
export function passAnswer(
  forward: ClientRequest,
  outgoing: ServerResponse,
  { delayMs = 0, truncateAfter = Infinity, head = (headers) => headers, body }: Fault,
  exchange: Exchange,
): void {
  forward.on('error', () => exchange.status === 0 && outgoing.destroy())
  outgoing.on('error', () => forward.destroy())
  outgoing.on('close', () => forward.destroy())
  forward.on('response', async (response) => {
    exchange.status = response.statusCode ?? 502
    if (delayMs > 0) await sleep(delayMs)
    response.on('error', () => outgoing.destroy())
    if (body) {
      const text = body(Buffer.concat(await response.toArray()).toString())
      const headers = { ...head(response.headers), 'content-length': String(Buffer.byteLength(text)) }
      outgoing.writeHead(exchange.status, headers).end(text)
      exchange.received += text.length
      return
    }
    outgoing.writeHead(exchange.status, head(response.headers))
    response.on('data', (chunk: Buffer) => {
      exchange.received += chunk.length
      if (exchange.received < truncateAfter) return
      exchange.isCut = true
      outgoing.destroy()
    })
    response.pipe(outgoing)
  })
}

/** A connection that becomes another protocol's (an engine's sessions do): from then on it is passed on as it is. */
export function passUpgrade(forward: ClientRequest, client: Duplex, sockets: Connections): void {
  client.on('error', () => forward.destroy())
  forward.on('error', () => client.destroy())
  forward.on('response', (response) => {
    response.resume()
    client.destroy()
  })
  forward.on('upgrade', ({ statusCode, statusMessage, rawHeaders }, target, head: Buffer) => {
    sockets.set(target, { number: 0, sent: 0 })
    const lines = rawHeaders.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`))
    client.write(`HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('')}\r\n`)
    // What came with the answer belongs to the new protocol.
    client.write(head)
    target.on('error', () => client.destroy())
    target.on('close', () => sockets.delete(target) && client.destroy())
    client.on('close', () => target.destroy())
    client.pipe(target).pipe(client)
  })
  forward.end()
}
