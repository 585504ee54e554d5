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

/**
 * The imgctl server's REST API. Every call may throw ImgctlError with the server's own code, or
 * SERVER_UNREACHABLE, AUTH_REQUIRED, FORBIDDEN, RATE_LIMITED, SERVER_ERROR.
 */
export interface ServerConfiguration {
  config(signal?: AbortSignal): Promise<ServerConfig>
}

export interface ServerIdentity {
  me(signal?: AbortSignal): Promise<Me>
}

/** The API keys of who asks. */
export interface ServerKeys {
  apiKeys(signal?: AbortSignal): Promise<ApiKey[]>
  /** @throws ImgctlError NOT_FOUND when no key asks, but a token */
  currentApiKey(signal?: AbortSignal): Promise<ApiKey>
  /** @throws ImgctlError CONFLICT when the name is in use, FORBIDDEN for permissions that who asks has not */
  createApiKey(body: CreateApiKey, signal?: AbortSignal): Promise<CreatedApiKey>
  /** @throws ImgctlError NOT_FOUND */
  revokeApiKey(name: string, signal?: AbortSignal): Promise<void>
}

export interface ServerOrganizations {
  /** Those that who asks can reach. */
  organizations(signal?: AbortSignal): Promise<Organization[]>
}

export interface ServerImages {
  createImage(body: CreateImage, signal?: AbortSignal): Promise<Image>
  /** @throws ImgctlError IMAGE_NOT_FOUND */
  image(idOrName: string, signal?: AbortSignal): Promise<Image>
  images(query: ListImagesQuery, signal?: AbortSignal): Promise<ImagePage>
  updateImage(idOrName: string, body: UpdateImage, signal?: AbortSignal): Promise<Image>
  toggleImage(idOrName: string, enabled: boolean, signal?: AbortSignal): Promise<Image>
  retryImage(idOrName: string, signal?: AbortSignal): Promise<Image>
  imageEvents(idOrName: string, signal?: AbortSignal): Promise<ImageEvent[]>
  /** @param ifMatch the digest that the plan showed: another one is PRECONDITION_FAILED, nothing is deleted */
  deleteImage(id: string, ifMatch: string | undefined, signal?: AbortSignal): Promise<DeletedImage>
}

export interface ServerPushAccess {
  /** Short-lived registry credentials; `repository` (without the organization) narrows them to one. */
  pushAccess(repository: string | undefined, signal?: AbortSignal): Promise<PushAccess>
}

/** The private registries that the server may fetch from. */
export interface ServerRegistries {
  registries(signal?: AbortSignal): Promise<DockerRegistry[]>
  /** @throws ImgctlError CONFLICT when there is one of that name or host */
  addRegistry(body: CreateDockerRegistry, signal?: AbortSignal): Promise<DockerRegistry>
  updateRegistry(id: string, body: UpdateDockerRegistry, signal?: AbortSignal): Promise<DockerRegistry>
  removeRegistry(id: string, signal?: AbortSignal): Promise<void>
}

export interface ServerAudit {
  /** The organization's changes, newest first. */
  audit(query: ListAuditQuery, signal?: AbortSignal): Promise<AuditPage>
}

/** A request of `imgctl api`. */
export interface RawRequest {
  readonly method: string
  /** Under `/api`, with its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it is, said to be JSON. */
  readonly body?: string
}

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number
  readonly statusText: string
  /** In the order in which they came, names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** What an answer that is not 2xx means: an ImgctlError. */
  readonly failure?: Error
}

export interface ServerRequests {
  /** Any request under `/api`. Throws only when no answer came. */
  request(request: RawRequest, signal?: AbortSignal): Promise<RawAnswer>
}

export interface Server
  extends ServerConfiguration,
    ServerIdentity,
    ServerKeys,
    ServerOrganizations,
    ServerImages,
    ServerPushAccess,
    ServerRegistries,
    ServerAudit,
    ServerRequests {
  /** Without `/api` and without a slash at its end. */
  readonly url: string
}
