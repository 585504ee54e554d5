import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Digest, digestBytes } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import type { MadeImage } from './content.ts'

/** Takes a request out of the registry's hands: true when it has been answered (or never will be). */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * A registry in memory, for the faults that a real one cannot be made to show; what it does right is tested
 * against a real one in test/integration.
 */
export interface UpstreamRegistry {
  /** host:port */
  readonly host: string
  /** `METHOD path` of every request, in order. */
  readonly requests: string[]
  /** What came as `Authorization`. */
  readonly authorizations: (string | undefined)[]
  put(reference: string, image: MadeImage): void
  putIndex(reference: string, index: Uint8Array): void
  putBlob(digest: Digest, bytes: Uint8Array): void
  /** Asked before every request from now on. */
  fault: Fault
  close(): Promise<void>
}

export async function startUpstreamRegistry(): Promise<UpstreamRegistry> {
  const manifests = new Map<string, { bytes: Uint8Array; mediaType: string }>()
  const blobs = new Map<string, Uint8Array>()
  const requests: string[] = []
  const authorizations: (string | undefined)[] = []

  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    authorizations.push(request.headers.authorization)
    if (registry.fault(request, response)) return
    const [, kind, reference] = /\/(manifests|blobs)\/([^/?]+)$/.exec(request.url ?? '') ?? []
    const manifest = kind === 'manifests' ? manifests.get(reference ?? '') : undefined
    const bytes = manifest?.bytes ?? (kind === 'blobs' ? blobs.get(reference ?? '') : undefined)
    if (!bytes) {
      response.writeHead(404, { 'content-type': 'application/json' })
      response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
      return
    }
    response.writeHead(200, {
      'content-type': manifest?.mediaType ?? 'application/octet-stream',
      'content-length': bytes.length,
    })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const registry: UpstreamRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    authorizations,
    fault: () => false,
    put(reference, image) {
      for (const key of [reference, image.digest]) {
        manifests.set(key, { bytes: image.manifest, mediaType: OCI_MANIFEST })
      }
      for (const [digest, bytes] of image.blobs) blobs.set(digest, bytes)
    },
    putIndex(reference, bytes) {
      for (const key of [reference, digestBytes(bytes)]) manifests.set(key, { bytes, mediaType: OCI_INDEX })
    },
    putBlob(digest, bytes) {
      blobs.set(digest, bytes)
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return registry
}
