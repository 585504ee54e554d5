import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { OCI_CONFIG, OCI_EMPTY, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  readonly url: string
}

export interface Request {
  readonly body?: Uint8Array | string
  readonly headers?: Record<string, string>
}

/** The codes that the specification has, and for status 5xx none. */
const CODES = [
  ...[
    'BLOB_UNKNOWN',
    'BLOB_UPLOAD_INVALID',
    'BLOB_UPLOAD_UNKNOWN',
    'DIGEST_INVALID',
    'MANIFEST_BLOB_UNKNOWN',
  ],
  ...['MANIFEST_INVALID', 'MANIFEST_UNKNOWN', 'NAME_INVALID', 'NAME_UNKNOWN', 'SIZE_INVALID', 'UNAUTHORIZED'],
  ...['DENIED', 'UNSUPPORTED', 'TOOMANYREQUESTS'],
]

export type Algorithm = 'sha256' | 'sha512'

export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

export function descriptorOf(mediaType: string, bytes: Uint8Array | string, algorithm?: Algorithm) {
  return { mediaType, digest: digestOf(bytes, algorithm), size: Buffer.byteLength(bytes) }
}

/** Bytes that no other test has. */
export function someBytes(size = 100): Buffer {
  return randomBytes(size)
}

/** Some registry and two repositories in it that no other rule uses. */
export class Registry {
  readonly #url: string
  readonly #authorization: string | undefined
  readonly name: string
  readonly other: string

  constructor(url: string, name: string, authorization?: string) {
    this.#url = url
    this.name = name
    this.other = `${name}-other`
    this.#authorization = authorization
  }

  /** A path, or a Location, which may be absolute. Every error that is JSON must have the specification's form. */
  async call(method: string, path: string, { body, headers = {} }: Request = {}): Promise<Answer> {
    const url = new URL(path, this.#url)
    const response = await fetch(url, {
      method,
      headers: { ...(this.#authorization ? { authorization: this.#authorization } : {}), ...headers },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    })
    const answer = {
      status: response.status,
      headers: response.headers,
      bytes: Buffer.from(await response.arrayBuffer()),
      url: String(url),
    }
    if (answer.status >= 400 && answer.status < 500) assertErrorForm(answer)
    return answer
  }

  /** As `call`, and the status is that one. */
  async expect(status: number | readonly number[], method: string, path: string, request?: Request) {
    const answer = await this.call(method, path, request)
    const wanted = typeof status === 'number' ? [status] : status
    expect(wanted, `${method} ${path}: ${answer.bytes.toString('utf8', 0, 300)}`).toContain(answer.status)
    return answer
  }

  at(path: string, name = this.name): string {
    return `/v2/${name}/${path}`
  }

  /** Begins an upload. @returns its Location */
  async upload(query = '', name = this.name): Promise<string> {
    const headers = { 'content-length': '0' }
    const answer = await this.expect(202, 'POST', this.at(`blobs/uploads/${query}`, name), { headers })
    return locationOf(answer)
  }

  async pushBlob(bytes: Uint8Array | string, { name = this.name, algorithm = 'sha256' as Algorithm } = {}) {
    const location = await this.upload(algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`, name)
    const digest = digestOf(bytes, algorithm)
    const headers = { 'content-type': 'application/octet-stream' }
    await this.expect(201, 'PUT', withQuery(location, { digest }), { body: bytes, headers })
    return digest
  }

  /** PUT of a document as it is given: an object as JSON, text and bytes unchanged. */
  putManifest(
    reference: string,
    document: object | string,
    { mediaType, query = '' }: { mediaType?: string; query?: string } = {},
  ): Promise<Answer> {
    const body = typeof document === 'string' ? document : JSON.stringify(document)
    const type = mediaType ?? (document as { mediaType?: string }).mediaType ?? OCI_MANIFEST
    const headers = { 'content-type': type }
    return this.call('PUT', this.at(`manifests/${reference}${query}`), { body, headers })
  }

  /** An image of one layer, pushed. `more` is added to its manifest. */
  async pushImage(reference?: string, more: object = {}) {
    const image = await this.makeImage(more)
    const answer = await this.putManifest(reference ?? image.digest, image.text)
    expect(answer.status, answer.bytes.toString('utf8', 0, 300)).toBe(201)
    return { ...image, answer }
  }

  /** The blobs of an image are pushed, its manifest is not. */
  async makeImage(more: object = {}) {
    const layer = someBytes()
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/x'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    })
    await this.pushBlob(layer)
    await this.pushBlob(config)
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptorOf(OCI_CONFIG, config),
      layers: [descriptorOf(OCI_LAYER_GZIP, layer)],
      ...more,
    }
    const text = JSON.stringify(manifest)
    return {
      manifest,
      text,
      digest: digestOf(text),
      layer,
      config,
      descriptor: descriptorOf(OCI_MANIFEST, text),
    }
  }

  /** A manifest that refers to `subject`, whether that is there or not. */
  async pushReferrer(subject: object, more: object = {}) {
    await this.pushBlob('{}')
    const config = descriptorOf(OCI_EMPTY, '{}')
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [config], subject, ...more }
    const text = JSON.stringify(document)
    const answer = await this.putManifest(digestOf(text), text)
    expect(answer.status, answer.bytes.toString('utf8', 0, 300)).toBe(201)
    return { text, digest: digestOf(text), descriptor: descriptorOf(OCI_MANIFEST, text), answer }
  }

  async tags(query = '', name = this.name) {
    const answer = await this.expect(200, 'GET', this.at(`tags/list${query}`, name))
    return { ...(jsonOf(answer) as { name: string; tags: string[] | null }), headers: answer.headers }
  }

  async referrers(digest: string, query = '') {
    const answer = await this.expect(200, 'GET', this.at(`referrers/${digest}${query}`))
    const index = jsonOf(answer) as { manifests: Record<string, unknown>[]; mediaType: string }
    return { ...index, headers: answer.headers }
  }
}

export function locationOf({ headers, url }: Answer): string {
  const location = headers.get('location')
  expect(location, 'Location').toBeTruthy()
  return String(new URL(location!, url))
}

/** A Location may have a query of its own, which stays. */
export function withQuery(location: string, query: Record<string, string>): string {
  const url = new URL(location)
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
  return String(url)
}

export function jsonOf({ bytes }: Answer): unknown {
  return JSON.parse(bytes.toString('utf8'))
}

export function codesOf(answer: Answer): string[] {
  return (jsonOf(answer) as { errors: { code: string }[] }).errors.map(({ code }) => code)
}

/** The target of a `Link` with `rel="next"`, RFC 8288. */
export function nextOf({ headers, url }: { headers: Headers; url?: string }): string | undefined {
  const match = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get('link') ?? '')
  return match ? (url ? String(new URL(match[1]!, url)) : match[1]) : undefined
}

function assertErrorForm(answer: Answer): void {
  if (answer.bytes.length === 0 || !answer.headers.get('content-type')?.includes('json')) return
  const { errors } = jsonOf(answer) as { errors?: { code: string; message?: unknown }[] }
  expect(errors?.length, 'errors').toBeGreaterThan(0)
  for (const { code, message } of errors!) {
    expect(CODES).toContain(code)
    expect(['string', 'undefined']).toContain(typeof message)
  }
}

/** Every page of a list, each by the `Link` of the one before. */
export async function follow<T>(r: Registry, first: string, items: (body: unknown) => T[]): Promise<T[][]> {
  const pages: T[][] = []
  for (let next: string | undefined = first; next !== undefined; ) {
    const answer = await r.expect(200, 'GET', next)
    pages.push(items(jsonOf(answer)))
    next = nextOf(answer)
    expect(pages.length).toBeLessThan(100)
  }
  return pages
}

/** The blob is there, byte for byte. */
export async function assertBlob(r: Registry, digest: string, bytes: Uint8Array | string, location?: string) {
  const answer = await r.expect(200, 'GET', location ?? r.at(`blobs/${digest}`))
  expect(answer.bytes.equals(Buffer.from(bytes))).toBe(true)
}
