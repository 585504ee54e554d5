import { chmod, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import type { Logger } from 'pino'
import { ImgctlError } from '../errors/error.ts'
import type { CollectReport } from '../ports/server-data.ts'

/** Who can open it may do what the operator may: only the server's user, also in a folder that others may enter. */
const SOCKET_FILE = 'control.sock'
const PRIVATE_FILE = 0o600
/** `sun_path` has 108 bytes on Linux, 104 on macOS, its last for the end: unix(7). */
const MAX_SOCKET_PATH = 103
const COLLECT = '/collect'

/** What the operator may ask of a running server. */
export interface ControlActions {
  readonly collect: () => Promise<CollectReport>
}

/**
 * Listens for the operator's commands. The caller holds the folder's lock, so a socket that is there is a dead one.
 *
 * @returns undefined where no socket can be made: Windows, and folders with very long names
 */
export async function listenForControl(
  dataDir: string,
  actions: ControlActions,
  log: Logger,
): Promise<{ close(): Promise<void> } | undefined> {
  const path = socketPath(dataDir)
  if (path === undefined) {
    log.warn({ dataDir }, 'no control socket: the path is too long, so serve gc needs the server stopped')
    return undefined
  }
  await rm(path, { force: true })
  const server = createServer(async (incoming, reply) => {
    if (incoming.method !== 'POST' || incoming.url !== COLLECT) return reply.writeHead(404).end()
    try {
      reply
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(await actions.collect()))
    } catch (error) {
      log.error({ err: error }, 'a control request failed')
      reply.writeHead(500).end()
    }
  })
  await opened(server, path)
  await chmod(path, PRIVATE_FILE)
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeIdleConnections()
      }),
  }
}

/**
 * Lets the running server collect.
 *
 * @throws ImgctlError SERVER_UNREACHABLE when it has no socket or does not answer
 */
export async function collectThroughServer(dataDir: string, signal: AbortSignal): Promise<CollectReport> {
  const path = socketPath(dataDir)
  try {
    if (path !== undefined) return await post(path, COLLECT, signal)
  } catch (cause) {
    signal.throwIfAborted()
    throw unreachable(dataDir, cause)
  }
  throw unreachable(dataDir)
}

function socketPath(dataDir: string): string | undefined {
  const path = join(dataDir, SOCKET_FILE)
  return process.platform === 'win32' || Buffer.byteLength(path) > MAX_SOCKET_PATH ? undefined : path
}

function opened(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function post(socket: string, path: string, signal: AbortSignal): Promise<CollectReport> {
  return new Promise((resolve, reject) => {
    request({ socketPath: socket, path, method: 'POST', signal }, (answer) => {
      if (answer.statusCode === 200) json(answer).then((body) => resolve(body as CollectReport), reject)
      else reject(new Error(`the server answered ${answer.statusCode}`))
    })
      .once('error', reject)
      .end()
  })
}

function unreachable(dataDir: string, cause?: unknown): ImgctlError {
  return new ImgctlError('SERVER_UNREACHABLE', `the server on ${dataDir} does not take orders`, {
    hint: "look at the server's log, or stop the server and try again",
    cause,
  })
}
