import type { Dispatcher } from 'undici'
import { ORGANIZATION_HEADER } from '../contract/server.ts'
import { ImgctlError } from '../errors/error.ts'
import { DEFAULT_RETRY, retry } from '../internal/retry.ts'
import type { Bearer } from '../ports/credentials.ts'
import type { Answer } from './answer.ts'
import { answerError, isSuccess, notJson } from './answer-error.ts'
import { connectionError } from './connection-error.ts'
import { readText } from './read-text.ts'

/** The server answers within a second; a loaded one gets this long before the call is given up and retried. */
const ANSWER_TIMEOUT_MS = 30_000

export interface Call {
  readonly method: string
  /** Under `/api`, with its own segments encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, said to be JSON. */
  readonly rawBody?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** Whether it may be sent again when nothing or a passing failure came back. */
  readonly idempotent: boolean
  readonly onTry?: () => void
  /** Sees every answer, also those that are tried again. */
  readonly onAnswer?: (answer: Answer) => void
}

export interface TransportOptions {
  /** As `config/server-url.ts` makes it. */
  readonly server: string
  /** Undefined: the public calls only. */
  readonly bearer: Bearer | undefined
  /** The organization to ask for, by id or slug; undefined: the server's choice. */
  readonly organization?: string | undefined
  readonly userAgent: string
  readonly dispatcher: Dispatcher
}

/**
 * Sends calls to one server. The key or token goes to that server's origin only: redirects are never followed. A
 * token that is refused is renewed once, and the call sent again.
 */
export class Transport {
  readonly server: string
  readonly #options: TransportOptions
  /** A server that never answered is reported at once; one that did is given time to come back. */
  #hasAnswered = false

  constructor(options: TransportOptions) {
    this.server = options.server
    this.#options = options
  }

  /**
   * The JSON of a 2xx answer. Its shape is the contract's: the server is trusted with that, not with less.
   *
   * @throws ImgctlError as ports/server.ts says
   */
  async call<T>(call: Call, signal?: AbortSignal): Promise<T> {
    const answer = await this.raw(call, signal)
    try {
      return JSON.parse(answer.body) as T
    } catch {
      throw notJson(this.server, answer)
    }
  }

  /** A 2xx answer as it came. @throws as `call` */
  raw(call: Call, signal?: AbortSignal): Promise<Answer> {
    const attempts = call.idempotent ? DEFAULT_RETRY.attempts : 1
    return retry({ ...DEFAULT_RETRY, attempts, ...(signal ? { signal } : {}) }, async () => {
      call.onTry?.()
      const answer = await this.#authorized(call, signal)
      call.onAnswer?.(answer)
      if (!isSuccess(answer.status)) throw answerError(this.server, answer)
      return answer
    })
  }

  /** Any answer, with what it means when it is not 2xx. @throws as `call`, but only when no answer came */
  async answer(call: Call, signal?: AbortSignal): Promise<Answer> {
    let last: Answer | undefined
    const onAnswer = (answer: Answer) => {
      last = answer
    }
    try {
      return await this.raw({ ...call, onAnswer }, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (last && error instanceof ImgctlError && error.status === last.status) {
        return { ...last, failure: error }
      }
      throw error
    }
  }

  async #authorized(call: Call, signal: AbortSignal | undefined): Promise<Answer> {
    const { bearer } = this.#options
    const token = await bearer?.token(signal)
    const answer = await this.#send(call, token, signal)
    if (answer.status !== 401 || bearer === undefined || token === undefined) return answer
    const renewed = await bearer.renew(token, signal)
    return renewed === undefined ? answer : this.#send(call, renewed, signal)
  }

  async #send(call: Call, token: string | undefined, signal: AbortSignal | undefined): Promise<Answer> {
    const { dispatcher } = this.#options
    try {
      const { origin, pathname, search } = this.#url(call)
      const { statusCode, statusText, headers, body } = await dispatcher.request({
        origin,
        path: pathname + search,
        method: call.method as Dispatcher.HttpMethod,
        headers: this.#headers(call, token),
        body: call.rawBody ?? (call.body === undefined ? null : JSON.stringify(call.body)),
        headersTimeout: ANSWER_TIMEOUT_MS,
        bodyTimeout: ANSWER_TIMEOUT_MS,
        ...(signal ? { signal } : {}),
      })
      const text = await readText(body)
      this.#hasAnswered = true
      return {
        status: statusCode,
        statusText,
        headers: Object.entries(headers).flatMap(([name, value]) =>
          [value ?? []].flat().map((each) => [name, each] as const),
        ),
        body: text,
        retryAfter: first(headers['retry-after']),
        location: first(headers['location']),
        requestId: first(headers['x-request-id']),
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw connectionError(this.server, error, this.#hasAnswered)
    }
  }

  #url({ path, query = {} }: Call): URL {
    const parameters = new URLSearchParams()
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) parameters.set(key, String(value))
    }
    return new URL(`${this.server}/api${path}${parameters.size > 0 ? `?${parameters}` : ''}`)
  }

  #headers({ body, rawBody, headers }: Call, token: string | undefined): Record<string, string> {
    const { organization, userAgent } = this.#options
    return {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(organization === undefined ? {} : { [ORGANIZATION_HEADER]: organization }),
      ...(body === undefined && rawBody === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    }
  }
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
