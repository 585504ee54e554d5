import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, isDigest } from '../oci/digest.ts'
import type { SavedUpload } from '../ports/upload-journal.ts'
import type { Connection, RegistryRequest } from './connection.ts'
import { answerError, protocolError, RegistryError } from './errors.ts'
import { type HttpAnswer, mayFollow, parseUrl } from './http.ts'
import type { RequestBody } from './request-body.ts'

/** What is left to say to the registry after Ctrl-C: the program must be gone in half a second. */
const CANCEL_TIMEOUT_MS = 200

/** The state of one upload at the registry: its current URL, and what it asks of chunks. */
export class UploadSession {
  /** https://github.com/opencontainers/distribution-spec/blob/main/spec.md: `OCI-Chunk-Min-Length`. */
  readonly minChunk: number
  readonly #connection: Connection
  readonly #signal: AbortSignal | undefined
  #url: URL

  private constructor(connection: Connection, url: URL, minChunk: number, signal: AbortSignal | undefined) {
    this.#connection = connection
    this.#signal = signal
    this.#url = url
    this.minChunk = minChunk
  }

  /** Where the session goes on. It may be signed: it is a secret. */
  get url(): string {
    return this.#url.href
  }

  /** @throws ImgctlError of every kind; what a retry may mend was retried */
  static async open(connection: Connection, signal?: AbortSignal): Promise<UploadSession> {
    const url = connection.url('blobs/uploads/')
    const post = { method: 'POST', url, access: { action: 'push' }, signal } as const
    return connection.retried(post, async (answer) => {
      if (answer.status !== 202) throw await answerError(answer)
      await answer.discard()
      return UploadSession.adopt(connection, answer, signal)
    })
  }

  /** A session that another run opened. Undefined when it is not at this registry: nothing is sent elsewhere. */
  static resume(
    connection: Connection,
    { url, minChunk }: Pick<SavedUpload, 'url' | 'minChunk'>,
    signal?: AbortSignal,
  ): UploadSession | undefined {
    const parsed = parseUrl(url)
    if (parsed?.origin !== connection.url('').origin) return undefined
    return new UploadSession(connection, parsed, minChunk, signal)
  }

  /** The session that an answer to another request opened (a mount that was not done). */
  static adopt(connection: Connection, opened: HttpAnswer, signal?: AbortSignal): UploadSession {
    const minChunk = Number(opened.header('oci-chunk-min-length') ?? 0) || 0
    return new UploadSession(connection, nextUrl(opened), minChunk, signal)
  }

  /**
   * Sends the bytes from `offset` on, once.
   *
   * @param how isWholeBlob: it goes as one stream, which has no `Content-Range`; closes: so does the connection
   */
  async send(
    offset: number,
    body: RequestBody,
    how: { readonly isWholeBlob: boolean; readonly closes: boolean },
  ): Promise<void> {
    const range = how.isWholeBlob ? {} : { 'content-range': `${offset}-${offset + body.length - 1}` }
    const headers = { 'content-type': 'application/octet-stream', ...range }
    const answer = await this.#request('PATCH', this.#url, { headers, body, closes: how.closes })
    if (answer.status !== 202 && answer.status !== 201 && answer.status !== 204)
      throw await answerError(answer)
    await this.#goOn(answer)
  }

  /** How many bytes the registry has; undefined when it does not know the session (any more). */
  async position(): Promise<number | undefined> {
    const url = this.#url
    const get = { method: 'GET', url, access: { action: 'push' }, signal: this.#signal } as const
    return this.#connection.retried(get, async (answer) => {
      if (answer.status === 204 || answer.status === 200 || answer.status === 202) {
        await this.#goOn(answer)
        const end = /^(?:bytes=)?0-(\d+)$/.exec(answer.header('range')?.trim() ?? '')?.[1]
        // `0-0` is what an empty session says, too: one byte is not worth the doubt.
        return end === undefined || end === '0' ? 0 : Number(end) + 1
      }
      const error = await answerError(answer)
      if (error.retryable || ['AUTH_REQUIRED', 'FORBIDDEN'].includes(error.code)) throw error
      return undefined
    })
  }

  /** Turns what was sent into the blob, once. */
  async commit(digest: Digest): Promise<void> {
    // Appended as text: the registry's own query may be signed and must stay as it is.
    const url = new URL(this.#url)
    url.search += `${url.search ? '&' : '?'}digest=${encodeURIComponent(digest)}`
    const answer = await this.#request('PUT', url, { commits: true })
    if (answer.status !== 201 && answer.status !== 204) throw await answerError(answer)
    await answer.discard()
    const stated = answer.header('docker-content-digest')
    if (stated === undefined || !isDigest(stated) || stated === digest) return
    if (digestAlgorithm(stated) !== digestAlgorithm(digest)) return
    throw protocolError(answer, `confirmed ${stated} where ${digest} was sent`, 'DIGEST_MISMATCH')
  }

  /** Lets the registry drop what it has, if it answers quickly; otherwise the session expires there. */
  async cancel(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS)
    const remove = { method: 'DELETE', url: this.#url, access: { action: 'push' }, signal } as const
    await this.#connection.request(remove).then(
      (answer) => answer.discard(),
      () => {},
    )
  }

  #request(
    method: 'PATCH' | 'PUT',
    url: URL,
    rest: Pick<RegistryRequest, 'headers' | 'body' | 'commits' | 'closes'>,
  ): Promise<HttpAnswer> {
    return this.#connection.request({
      method,
      url,
      access: { action: 'push' },
      signal: this.#signal,
      ...rest,
    })
  }

  async #goOn(answer: HttpAnswer): Promise<void> {
    await answer.discard()
    if (answer.header('location') !== undefined) this.#url = nextUrl(answer)
  }
}

/** Whether an error means that the registry has forgotten the session: what was sent is lost. */
export function isSessionLost(error: unknown): boolean {
  if (!(error instanceof RegistryError)) return false
  if (error.specCode?.startsWith('BLOB_UPLOAD_')) return true
  return error.status === 404 || error.status === 410
}

/**
 * Where the session goes on. A registry behind a proxy that ends TLS often calls itself `http://`: for the
 * same host the connection stays as it is.
 *
 * @throws ImgctlError REGISTRY_ERROR without a usable `Location`
 */
function nextUrl(answer: HttpAnswer): URL {
  const location = answer.header('location')
  const url = location === undefined ? undefined : parseUrl(location, answer.url)
  if (url === undefined) throw protocolError(answer, 'does not say where the upload goes on')
  if (url.protocol === 'http:' && url.hostname === answer.url.hostname && answer.url.protocol === 'https:') {
    url.protocol = 'https:'
    url.port = answer.url.port
  }
  if (mayFollow(answer.url, url)) return url
  throw protocolError(answer, `sends the upload to ${url.protocol}//${url.host}, which is not safe`)
}
