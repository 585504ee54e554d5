import { randomBytes } from 'node:crypto'
import type { EngineConnection } from '../connection.ts'
import { serveGrpc } from '../grpc/serve.ts'
import { type SessionOffer, sessionMethods } from './session-services.ts'

/** The headers by which a client says what a session is and offers (moby/buildkit session/session.go). */
const ID_HEADER = 'X-Docker-Expose-Session-Uuid'
const NAME_HEADER = 'X-Docker-Expose-Session-Name'
const SHARED_KEY_HEADER = 'X-Docker-Expose-Session-Sharedkey'
const METHOD_HEADER = 'X-Docker-Expose-Session-Grpc-Method'

/** A connection on which BuildKit asks us for files, credentials, secrets and SSH while it builds. */
export interface BuildSession {
  readonly id: string
  /** What went wrong on our side while we answered: the first error. */
  failure(): unknown
  close(): void
}

/**
 * Opens a session of its own for one build: `POST /session`, whose connection becomes HTTP/2 with us as the server.
 *
 * @param sharedKey by which BuildKit finds the files of an earlier session again
 * @throws as EngineConnection.upgrade
 */
export async function openSession(
  engine: EngineConnection,
  sharedKey: string,
  offer: SessionOffer,
  signal?: AbortSignal,
): Promise<BuildSession> {
  const id = randomBytes(16).toString('hex')
  const methods = sessionMethods(offer)
  const headers = {
    [ID_HEADER]: id,
    [NAME_HEADER]: 'imgctl',
    [SHARED_KEY_HEADER]: sharedKey,
    [METHOD_HEADER]: methods.map(({ path }) => path),
  }
  const connection = await engine.upgrade({ path: '/session', headers, signal }, 'h2c')
  let failure: unknown
  const close = serveGrpc(connection, methods, (error) => {
    failure ??= error
  })
  return { id, close, failure: () => failure }
}
