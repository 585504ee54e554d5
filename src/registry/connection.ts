import type { Dispatcher } from 'undici'
import { ImgctlError } from '../errors/error.ts'
import type { RateLimit } from '../internal/rate-limit.ts'
import { type RetryPolicy, retry } from '../internal/retry.ts'
import { PATH_COMPONENT } from '../oci/reference.ts'
import type { RepositoryLocation, TransferTuning } from '../ports/registry.ts'
import { type Access, Authorization } from './authorization.ts'
import { exchange, exchangeFollowing, type HttpAnswer, type HttpRequest, type Timeouts } from './http.ts'
import { registryHost } from './registry-host.ts'
import { UploadGate } from './upload-gate.ts'

export interface ConnectionSettings {
  readonly dispatcher: Dispatcher
  readonly userAgent: string
  readonly retry: RetryPolicy
  readonly timeouts: Timeouts
  readonly tuning: TransferTuning
  readonly rateLimit: RateLimit | undefined
}

export interface RegistryRequest extends Omit<HttpRequest, 'idleMs'> {
  readonly access: Access
  /** The registry finishes something big before it answers. */
  readonly commits?: boolean
}

/** Authorized requests to one repository. */
export class Connection {
  readonly location: RepositoryLocation
  /** The largest body that got through: a proxy that refused a larger one is not asked again. */
  bodyLimit = Number.POSITIVE_INFINITY
  /** Whether an upload was lost to a cut connection: from then on each chunk gets its own. */
  isCut = false
  /** For the parts of all uploads. */
  readonly gate = new UploadGate()
  readonly #settings: ConnectionSettings
  readonly #root: URL
  readonly #authorization: Authorization

  /** @throws ImgctlError NAME_INVALID when the location is not one */
  constructor(location: RepositoryLocation, settings: ConnectionSettings) {
    const root = `${location.secure ? 'https' : 'http'}://${registryHost(location.host)}/v2/`
    if (!URL.canParse(root) || !location.repository.split('/').every((part) => PATH_COMPONENT.test(part))) {
      throw new ImgctlError('NAME_INVALID', `${location.host}/${location.repository} is not a repository`)
    }
    this.location = location
    this.#settings = settings
    this.#root = new URL(`${location.repository}/`, root)
    this.#authorization = new Authorization(location, this.#root, {
      dispatcher: settings.dispatcher,
      headers: { 'user-agent': settings.userAgent },
      idleMs: settings.timeouts.idleMs,
    })
  }

  get tuning(): TransferTuning {
    return this.#settings.tuning
  }

  /** Waits until so many bytes of blobs may go. */
  get pace(): ((bytes: number, signal?: AbortSignal) => Promise<void>) | undefined {
    const { rateLimit } = this.#settings
    return rateLimit && ((bytes, signal) => rateLimit.take(bytes, signal))
  }

  /** The URL of something in the repository: `manifests/1.0`. */
  url(path: string): URL {
    return new URL(path, this.#root)
  }

  retryPolicy(signal?: AbortSignal): RetryPolicy {
    return signal ? { ...this.#settings.retry, signal } : this.#settings.retry
  }

  /** As `request`, and again while `read` or the request throws what a retry may mend. */
  retried<T>(wanted: RegistryRequest, read: (answer: HttpAnswer) => Promise<T>): Promise<T> {
    return retry(this.retryPolicy(wanted.signal), async () => read(await this.request(wanted)))
  }

  /**
   * One request with the registry's authorization, sent a second time when the first was refused with 401.
   * Redirects of reads are followed. Another origin than the registry's gets no credentials.
   *
   * @throws ImgctlError AUTH_REQUIRED, FORBIDDEN, REGISTRY_UNREACHABLE; other statuses are the caller's to read
   */
  async request(wanted: RegistryRequest): Promise<HttpAnswer> {
    const known = wanted.url.origin === this.#root.origin
    const first = await this.#send(wanted, known)
    if (first.answer.status !== 401 || !known) return first.answer
    if (!isFrom(first.answer, this.#root) || !(await this.#authorization.learn(first.answer, first.sent))) {
      throw await this.#authorization.refusal(first.answer)
    }
    await first.answer.discard()
    const second = await this.#send(wanted, known)
    if (second.answer.status === 401) throw await this.#authorization.refusal(second.answer)
    return second.answer
  }

  async #send(wanted: RegistryRequest, known: boolean): Promise<{ answer: HttpAnswer; sent?: string }> {
    const { access, commits, ...request } = wanted
    const { dispatcher, timeouts, userAgent } = this.#settings
    const sent = known ? await this.#authorization.header(access, wanted.signal) : undefined
    const headers = {
      'user-agent': userAgent,
      ...request.headers,
      ...(sent === undefined ? {} : { authorization: sent }),
    }
    const idleMs = commits ? timeouts.commitMs : timeouts.idleMs
    const { slowestBytesPerSecond } = timeouts
    const follows = request.method === 'GET' || request.method === 'HEAD'
    const answer = await (follows ? exchangeFollowing : exchange)(dispatcher, {
      ...request,
      headers,
      idleMs,
      slowestBytesPerSecond,
    })
    return sent === undefined ? { answer } : { answer, sent }
  }
}

function isFrom(answer: HttpAnswer, registry: URL): boolean {
  return answer.url.origin === registry.origin
}
