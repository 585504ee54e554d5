import type { AuditPage, ListAuditQuery } from '../contract/audit.ts'
import type {
  CreateDockerRegistry,
  DockerRegistry,
  UpdateDockerRegistry,
} from '../contract/docker-registry.ts'
import type {
  ApiKey,
  CreateApiKey,
  CreatedApiKey,
  Me,
  Organization,
  PushAccess,
} from '../contract/identity.ts'
import type {
  CreateImage,
  DeletedImage,
  Image,
  ImageEvent,
  ImagePage,
  ListImagesQuery,
  UpdateImage,
} from '../contract/image.ts'
import type { ServerConfig } from '../contract/server.ts'
import { isCode } from '../errors/error.ts'
import type { RawAnswer, RawRequest, Server } from '../ports/server.ts'
import type { Transport } from './transport.ts'

/** The imgctl server's REST API. Calls that may be repeated are retried; a name or id is one path segment. */
export class ServerClient implements Server {
  readonly url: string
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.url = transport.server
    this.#transport = transport
  }

  config(signal?: AbortSignal): Promise<ServerConfig> {
    return this.#transport.call({ method: 'GET', path: '/config', idempotent: true }, signal)
  }

  me(signal?: AbortSignal): Promise<Me> {
    return this.#transport.call({ method: 'GET', path: '/users/me', idempotent: true }, signal)
  }

  organizations(signal?: AbortSignal): Promise<Organization[]> {
    return this.#transport.call({ method: 'GET', path: '/organizations', idempotent: true }, signal)
  }

  apiKeys(signal?: AbortSignal): Promise<ApiKey[]> {
    return this.#transport.call({ method: 'GET', path: API_KEYS, idempotent: true }, signal)
  }

  currentApiKey(signal?: AbortSignal): Promise<ApiKey> {
    return this.#transport.call({ method: 'GET', path: `${API_KEYS}/current`, idempotent: true }, signal)
  }

  /** Not repeated: a second one would find the name in use, and the value of the first would be lost. */
  createApiKey(body: CreateApiKey, signal?: AbortSignal): Promise<CreatedApiKey> {
    return this.#transport.call({ method: 'POST', path: API_KEYS, body, idempotent: false }, signal)
  }

  async revokeApiKey(name: string, signal?: AbortSignal): Promise<void> {
    const path = `${API_KEYS}/${encodeURIComponent(name)}`
    await this.#transport.raw({ method: 'DELETE', path, idempotent: false }, signal)
  }

  /** May be repeated: the same name and digest answers the image that is there. */
  createImage(body: CreateImage, signal?: AbortSignal): Promise<Image> {
    return this.#transport.call({ method: 'POST', path: '/images', body, idempotent: true }, signal)
  }

  image(idOrName: string, signal?: AbortSignal): Promise<Image> {
    return this.#transport.call({ method: 'GET', path: imagePath(idOrName), idempotent: true }, signal)
  }

  images(query: ListImagesQuery, signal?: AbortSignal): Promise<ImagePage> {
    return this.#transport.call({ method: 'GET', path: '/images', query, idempotent: true }, signal)
  }

  updateImage(idOrName: string, body: UpdateImage, signal?: AbortSignal): Promise<Image> {
    const path = imagePath(idOrName)
    return this.#transport.call({ method: 'PATCH', path, body, idempotent: true }, signal)
  }

  toggleImage(idOrName: string, enabled: boolean, signal?: AbortSignal): Promise<Image> {
    const path = `${imagePath(idOrName)}/toggle`
    return this.#transport.call({ method: 'PATCH', path, body: { enabled }, idempotent: true }, signal)
  }

  /** Not repeated: a second one would find the image no longer in `error`. */
  retryImage(idOrName: string, signal?: AbortSignal): Promise<Image> {
    const path = `${imagePath(idOrName)}/retry`
    return this.#transport.call({ method: 'POST', path, idempotent: false }, signal)
  }

  imageEvents(idOrName: string, signal?: AbortSignal): Promise<ImageEvent[]> {
    const path = `${imagePath(idOrName)}/events`
    return this.#transport.call({ method: 'GET', path, idempotent: true }, signal)
  }

  async deleteImage(id: string, ifMatch: string | undefined, signal?: AbortSignal): Promise<DeletedImage> {
    const headers = ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }
    let tries = 0
    const onTry = () => void tries++
    const call = { method: 'DELETE', path: imagePath(id), headers, idempotent: true, onTry } as const
    try {
      return await this.#transport.call(call, signal)
    } catch (error) {
      // An earlier try did it and its answer was lost; what it freed is not known any more.
      if (tries > 1 && isCode(error, 'IMAGE_NOT_FOUND', 'NOT_FOUND')) return { freedBytes: 0, heldBy: [] }
      throw error
    }
  }

  pushAccess(repository: string | undefined, signal?: AbortSignal): Promise<PushAccess> {
    const path = '/docker-registry/registry-push-access'
    return this.#transport.call({ method: 'GET', path, query: { repository }, idempotent: true }, signal)
  }

  registries(signal?: AbortSignal): Promise<DockerRegistry[]> {
    return this.#transport.call({ method: 'GET', path: REGISTRIES, idempotent: true }, signal)
  }

  /** Not repeated: a second one would find the name in use. */
  addRegistry(body: CreateDockerRegistry, signal?: AbortSignal): Promise<DockerRegistry> {
    return this.#transport.call({ method: 'POST', path: REGISTRIES, body, idempotent: false }, signal)
  }

  updateRegistry(id: string, body: UpdateDockerRegistry, signal?: AbortSignal): Promise<DockerRegistry> {
    return this.#transport.call({ method: 'PATCH', path: registryPath(id), body, idempotent: true }, signal)
  }

  async removeRegistry(id: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.raw({ method: 'DELETE', path: registryPath(id), idempotent: false }, signal)
  }

  audit(query: ListAuditQuery, signal?: AbortSignal): Promise<AuditPage> {
    return this.#transport.call({ method: 'GET', path: '/audit', query, idempotent: true }, signal)
  }

  request({ method, path, headers, body }: RawRequest, signal?: AbortSignal): Promise<RawAnswer> {
    const idempotent = method === 'GET' || method === 'HEAD'
    const call = { method, path, rawBody: body, idempotent, ...(headers ? { headers } : {}) }
    return this.#transport.answer(call, signal)
  }
}

const API_KEYS = '/api-keys'
const REGISTRIES = '/docker-registry'

function registryPath(id: string): string {
  return `${REGISTRIES}/${encodeURIComponent(id)}`
}

function imagePath(idOrName: string): string {
  return `/images/${encodeURIComponent(idOrName)}`
}
