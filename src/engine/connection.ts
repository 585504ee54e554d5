import { IncomingMessage, type OutgoingHttpHeaders, STATUS_CODES } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { inspect } from 'node:util'
import type Docker from 'dockerode'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import type { EngineChoice } from '../ports/engine.ts'
import { EngineBody, readJson } from './body.ts'
import { EngineAgent } from './dial.ts'
import type { Endpoint } from './endpoint.ts'
import type { EngineEnvironment } from './environment.ts'
import { locate } from './locate.ts'
import { basePath, type Probed, probe } from './probe.ts'
import { engineGone, type FailedPlace, noEngine } from './unreachable.ts'
import { requestUpgrade } from './upgrade.ts'

/** One request to the engine's API. https://docs.docker.com/reference/api/engine/ */
export interface EngineCall {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Without the version: `/images/app:1/json`. Names in it must have been checked: it is sent as it is. */
  readonly path: string
  /** A list is sent as one parameter for each of its values. */
  readonly query?: Readonly<Record<string, string | readonly string[]>>
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** The value of X-Registry-Auth. */
  readonly registryAuth?: string
  /** The value of X-Registry-Config. */
  readonly registryConfig?: string
  /** The body, a tar. When it errors the request ends with that error as its cause. The caller destroys it. */
  readonly body?: Readable
  readonly signal?: AbortSignal | undefined
  /** A better error for an answer that is no success; ENGINE_ERROR otherwise. */
  readonly refusal?: (status: number, message: string) => ImgctlError | undefined
}

/** Every status comes to us as an answer: docker-modem would make an error text of it. */
const EVERY_STATUS = Object.fromEntries(Object.keys(STATUS_CODES).map((status) => [status, true]))
/** An engine's message is a sentence; more than this is an HTML page of something else. */
const MESSAGE_LIMIT = 500
/** What is read of a refusal at most. */
const REFUSAL_LIMIT = 64 * 1024

/**
 * The first place where an engine answers.
 *
 * @throws ImgctlError ENGINE_UNREACHABLE with each place that was tried and why; the errors of `locate`
 */
export async function connect(
  environment: EngineEnvironment,
  choice: EngineChoice,
  signal?: AbortSignal,
): Promise<EngineConnection> {
  const failed: FailedPlace[] = []
  for (const place of await locate(environment, choice)) {
    const agent = new EngineAgent(place.endpoint, environment.variables)
    try {
      return new EngineConnection(place.endpoint, agent, await probe(place.endpoint, agent, signal))
    } catch (error) {
      signal?.throwIfAborted()
      failed.push({ ...place, error })
    }
  }
  throw noEngine(failed)
}

/** Requests to one engine that answered, in the version agreed on. */
export class EngineConnection {
  readonly endpoint: Endpoint
  readonly product: Probed['product']
  readonly apiVersion: string
  readonly builderVersion: Probed['builderVersion']
  readonly #agent: EngineAgent
  #docker: Promise<Docker> | undefined

  constructor(endpoint: Endpoint, agent: EngineAgent, { product, apiVersion, builderVersion }: Probed) {
    this.endpoint = endpoint
    this.product = product
    this.apiVersion = apiVersion
    this.builderVersion = builderVersion
    this.#agent = agent
  }

  /** Sends a request and reads the whole answer as JSON. @throws as `open`, and ENGINE_ERROR for no JSON */
  async json(call: EngineCall): Promise<unknown> {
    return readJson(await this.open(call), describe(call))
  }

  /** Sends a request whose success says everything. @throws as `open` */
  async send(call: EngineCall): Promise<void> {
    const body = await this.open(call)
    await finished(body.resume())
  }

  /**
   * Sends a request and answers the body of its success, to be read or destroyed by the caller.
   *
   * @throws ImgctlError ENGINE_ERROR with the status, or what `call.refusal` makes of it; ENGINE_UNREACHABLE;
   *   the signal's reason
   */
  async open(call: EngineCall): Promise<EngineBody> {
    const response = await this.#dial(call, describe(call))
    return this.#accepted(call, response)
  }

  /**
   * Sends a POST that turns its connection into one of another protocol, and answers that connection.
   *
   * @throws as `open`; UNSUPPORTED when the engine answers without the other protocol
   */
  async upgrade(call: Omit<EngineCall, 'method' | 'body'>, protocol: string): Promise<Duplex> {
    const post = { ...call, method: 'POST' } as const
    const during = describe(post)
    const { signal } = call
    signal?.throwIfAborted()
    const answer = await requestUpgrade({
      ...{ agent: this.#agent, path: this.#path(call.path), protocol, signal },
      headers: { ...defaultHeaders(this.endpoint), ...outgoing(call.headers) },
    }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw engineGone(this.endpoint, during, error)
    })
    if (!(answer instanceof IncomingMessage)) return answer
    const body = await this.#accepted(post, answer)
    body.destroy()
    throw new ImgctlError('UNSUPPORTED', `the engine at ${this.endpoint.host} does not speak ${protocol}`)
  }

  async #accepted(call: EngineCall, response: IncomingMessage): Promise<EngineBody> {
    const during = describe(call)
    const body = new EngineBody(response, this.endpoint, during, call.signal)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return body
    const message = await refusalMessage(body)
    throw call.refusal?.(status, message) ?? this.#refused(during, status, message)
  }

  #path(path: string): string {
    return `${basePath(this.endpoint)}/v${this.apiVersion}${path}`
  }

  async #dial(call: EngineCall, during: string): Promise<IncomingMessage> {
    call.signal?.throwIfAborted()
    this.#docker ??= loadDocker(this.endpoint, this.#agent)
    const { modem } = await this.#docker
    const options = {
      method: call.method,
      // docker-modem writes the query after a question mark at the end.
      path: `${this.#path(call.path)}${Object.keys(call.query ?? {}).length > 0 ? '?' : ''}`,
      // `_body` empty: docker-modem would send the query once more as the body of a POST.
      options: { _query: call.query ?? {}, _body: {} },
      // Also for short answers: otherwise docker-modem never answers when the engine dies half way.
      isStream: true,
      statusCodes: EVERY_STATUS,
      ...(call.signal ? { abortSignal: call.signal } : {}),
      ...(call.headers ? { headers: { ...defaultHeaders(this.endpoint), ...outgoing(call.headers) } } : {}),
      ...(call.registryAuth ? { authconfig: { base64: call.registryAuth } } : {}),
      ...(call.registryConfig ? { registryconfig: { base64: call.registryConfig } } : {}),
      ...(call.body ? { file: call.body } : {}),
    }
    try {
      return await new Promise((resolve, reject) => {
        modem.dial(options, (error, response) => {
          if (response instanceof IncomingMessage) resolve(response)
          else reject(error)
        })
      })
    } catch (error) {
      call.signal?.throwIfAborted()
      throw engineGone(this.endpoint, during, error)
    }
  }

  #refused(during: string, status: number, message: string): ImgctlError {
    return new ImgctlError(
      'ENGINE_ERROR',
      `the engine at ${this.endpoint.host} refused ${during}: ${message || `status ${status}`}`,
      { status },
    )
  }
}

/** dockerode, with its transport set on our agent. */
async function loadDocker(endpoint: Endpoint, agent: EngineAgent): Promise<Docker> {
  const { default: Dockerode } = await import('dockerode')
  const settings = {
    agent,
    protocol: 'http',
    // The agent decides where to connect; a socket path, any, keeps docker-modem from its own ideas.
    socketPath: 'agent',
    // docker-modem takes these from DOCKER_HOST and its kin unless they are there.
    ...{ host: undefined, ca: undefined, cert: undefined, key: undefined, timeout: undefined },
    headers: defaultHeaders(endpoint),
  } as const
  try {
    return new Dockerode(settings)
  } catch (cause) {
    throw new ImgctlError('USAGE', 'DOCKER_HOST or DOCKER_CERT_PATH in the environment cannot be used', {
      hint: 'correct or unset them',
      cause,
    })
  }
}

function defaultHeaders(endpoint: Endpoint): Record<string, string> {
  return {
    ...(endpoint.kind === 'tcp' ? { Host: `${endpoint.hostname}:${endpoint.port}` } : {}),
    // docker-modem prints a request's headers under DEBUG=modem, credentials with them.
    ...{ [inspect.custom]: () => '(not shown)' },
  }
}

function outgoing(headers: EngineCall['headers'] = {}): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : [...value]]),
  )
}

/** The request in words, without its query. */
function describe({ method, path }: EngineCall): string {
  return `${method} ${path}`
}

/** The engine's own words for a refusal, or the start of what came instead. */
async function refusalMessage(body: EngineBody): Promise<string> {
  let text = ''
  for await (const chunk of body as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8')
    if (text.length > REFUSAL_LIMIT) break
  }
  return makeVisible(messageOf(text).slice(0, MESSAGE_LIMIT)).trim()
}

/** Docker and Podman answer `{"message": "..."}`. */
function messageOf(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message)
  } catch {
    // Not JSON: shown as it is.
  }
  return text
}
