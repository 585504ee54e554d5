import type { Me, PushAccess } from '../contract/identity.ts'
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
  pushAccess(repository: string, signal?: AbortSignal): Promise<PushAccess>
}

/** An answer as it came, for `imgctl api`. */
export interface RawAnswer {
  readonly status: number
  readonly body: string
}

export interface ServerRequests {
  /** Any path under `/api`; a body is JSON. */
  request(method: string, path: string, body: string | undefined, signal?: AbortSignal): Promise<RawAnswer>
}

export interface Server
  extends ServerConfiguration,
    ServerIdentity,
    ServerImages,
    ServerPushAccess,
    ServerRequests {
  /** Without `/api` and without a slash at its end. */
  readonly url: string
}
