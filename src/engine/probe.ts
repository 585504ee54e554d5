import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { compareApiVersions, isApiVersion, negotiateApiVersion, OUR_API_VERSION } from './api-version.ts'
import type { EngineAgent } from './dial.ts'
import type { Endpoint } from './endpoint.ts'

/** A local engine answers in milliseconds; one behind ssh or a VM that wakes up needs seconds. */
export const PROBE_TIMEOUT_MS = 10_000
export const SSH_PROBE_TIMEOUT_MS = 40_000

/** What an engine says before any version is agreed on. */
export interface Probed {
  readonly product: 'docker' | 'podman'
  /** The API version to speak with it. */
  readonly apiVersion: string
  /** The builder that the engine wants to be used: `2` is BuildKit. Older engines say nothing. */
  readonly builderVersion: '1' | '2' | undefined
}

/**
 * Asks `/_ping` without a version, as every engine allows, and agrees on one.
 * https://docs.docker.com/reference/api/engine/#tag/System/operation/SystemPing
 *
 * @throws Error whatever the connection gave, or that something else than an engine answered
 */
export async function probe(endpoint: Endpoint, agent: EngineAgent, signal?: AbortSignal): Promise<Probed> {
  const timeout = AbortSignal.timeout(endpoint.kind === 'ssh' ? SSH_PROBE_TIMEOUT_MS : PROBE_TIMEOUT_MS)
  const limited = signal ? AbortSignal.any([signal, timeout]) : timeout
  const ping = await get(endpoint, agent, '/_ping', limited)
  await text(ping)
  const newest = ping.headers['api-version']
  if (ping.statusCode !== 200 || !isApiVersion(newest)) {
    throw new Error(`no container engine: GET /_ping answered ${ping.statusCode}`)
  }
  const product = ping.headers['libpod-api-version'] === undefined ? 'docker' : 'podman'
  const isNewer = compareApiVersions(newest, OUR_API_VERSION) > 0
  const oldest = isNewer ? await oldestVersion(endpoint, agent, limited) : undefined
  const builder = ping.headers['builder-version']
  const builderVersion = builder === '1' || builder === '2' ? builder : undefined
  return { product, apiVersion: negotiateApiVersion(newest, oldest), builderVersion }
}

async function oldestVersion(
  endpoint: Endpoint,
  agent: EngineAgent,
  signal: AbortSignal,
): Promise<string | undefined> {
  const version: unknown = JSON.parse(await text(await get(endpoint, agent, '/version', signal)))
  if (typeof version !== 'object' || version === null || !('MinAPIVersion' in version)) return undefined
  return isApiVersion(version.MinAPIVersion) ? version.MinAPIVersion : undefined
}

function get(
  endpoint: Endpoint,
  agent: EngineAgent,
  path: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const headers = endpoint.kind === 'tcp' ? { host: `${endpoint.hostname}:${endpoint.port}` } : {}
  return new Promise((resolve, reject) => {
    request({ agent, path: basePath(endpoint) + path, headers, signal }, resolve)
      .on('error', reject)
      .end()
  })
}

/** Put before each path of a request. */
export function basePath(endpoint: Endpoint): string {
  return endpoint.kind === 'tcp' ? endpoint.basePath : ''
}
