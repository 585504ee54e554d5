import { request } from 'node:http'

/** Where an engine of this run listens and what it says of itself. */
export interface EngineAddress {
  socketPath: string
  /** For DOCKER_HOST. */
  dockerHost: string
  version: string
  apiVersion: string
  /** `overlay2`, `overlayfs` (the containerd snapshotter), `overlay` or `vfs`. */
  storageDriver: string
  /** True when images live in containerd's content store. */
  containerdStore: boolean
}

export interface Engine extends EngineAddress {
  logPath: string
  stop(): Promise<void>
}

export interface EngineReply {
  status: number
  body: Buffer
}

export interface EngineCall {
  method?: string
  headers?: Record<string, string>
  body?: Uint8Array
}

/** One request to an engine over its socket, with the whole answer in memory: for small answers. */
export function callEngine(socketPath: string, path: string, call: EngineCall = {}): Promise<EngineReply> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {} } = call
    const outgoing = request({ socketPath, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
    })
    outgoing.on('error', reject)
    outgoing.end(call.body)
  })
}

/**
 * What the engine has of one kind, asked until it answers: a list fails as a whole in Podman when another test file removes
 * an image meanwhile. The test's own time limit ends it otherwise.
 *
 * @param path `/images/json`, with or without a query
 */
export async function engineList(
  socketPath: string,
  path: '/images/json' | '/containers/json',
  query = '',
): Promise<Listed[]> {
  for (;;) {
    const { status, body } = await callEngine(socketPath, `${path}?${query}`)
    if (status === 200) return JSON.parse(body.toString())
    if (status !== 404 && status !== 500) throw new Error(`GET ${path} answered ${status}: ${body}`)
  }
}

export interface Listed {
  readonly Id: string
  /** Of images. */
  readonly RepoTags?: readonly string[] | null
  readonly RepoDigests?: readonly string[] | null
}

export async function engineAnswers(socketPath: string): Promise<boolean> {
  try {
    return (await callEngine(socketPath, '/_ping')).status === 200
  } catch {
    return false
  }
}

/** Asks a running engine who it is. */
export async function describeEngine(socketPath: string): Promise<EngineAddress> {
  const version = (await json(socketPath, '/version')) as { Version: string; ApiVersion: string }
  const info = (await json(socketPath, '/info')) as { Driver: string; DriverStatus?: string[][] | null }
  return {
    socketPath,
    dockerHost: `unix://${socketPath}`,
    version: version.Version,
    apiVersion: version.ApiVersion,
    storageDriver: info.Driver,
    containerdStore: (info.DriverStatus ?? []).some((row) => row[1] === 'io.containerd.snapshotter.v1'),
  }
}

async function json(socketPath: string, path: string): Promise<unknown> {
  const reply = await callEngine(socketPath, path)
  if (reply.status !== 200) throw new Error(`GET ${path} on ${socketPath} answered ${reply.status}`)
  return JSON.parse(reply.body.toString())
}
