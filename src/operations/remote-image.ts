import type { Image } from '../contract/image.ts'
import { ImgctlError, isCode } from '../errors/error.ts'
import type { Digest } from '../oci/digest.ts'
import { parseImageName } from '../oci/image-name.ts'
import {
  formatPlatform,
  LINUX_AMD64,
  matchesPlatform,
  type Platform,
  parsePlatform,
} from '../oci/platform.ts'
import type { Session } from '../ports/credentials.ts'
import type { OpenRepository, Repository } from '../ports/registry.ts'
import type { ServerConfiguration, ServerImages, ServerPushAccess } from '../ports/server.ts'
import { noPlatform, type PlatformImage, readPlatformImage } from './platform-image.ts'

export interface RemotePorts {
  readonly server: ServerConfiguration & ServerImages & ServerPushAccess
  readonly session: () => Promise<Session>
  readonly openRepository: OpenRepository
}

/** An image on the server, for one platform: its documents; layers are read from the repository. */
export interface RemoteImage extends PlatformImage {
  /** On the server: `team/app:1.0`. */
  readonly name: string
  readonly repository: Repository
}

/**
 * Opens an image on the server without an engine.
 *
 * @param platform which one of several; the server's own when undefined
 * @throws ImgctlError IMAGE_NOT_FOUND, ARCH_MISMATCH, CONFLICT when it has no content yet, and those of the ports
 */
export async function openRemoteImage(
  ports: RemotePorts,
  name: string,
  platform: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<RemoteImage> {
  const image = await ports.server.image(name, signal)
  if (image.digest === null) {
    throw new ImgctlError('CONFLICT', `${image.name} has no content yet: it is ${image.state}`, {
      hint: `see what it waits for: imgctl image inspect --remote ${image.name}`,
      retryable: true,
    })
  }
  const config = await ports.server.config(signal)
  const repository = await openRepository(ports, image, config.registry, signal)
  const wanted = platform ?? parsePlatform(config.platforms[0] ?? '') ?? LINUX_AMD64
  const named = { name: image.name, digest: image.digest as Digest }
  const read = await readPlatformImage(repository, named, wanted, signal)
  if (platform && !matchesPlatform(read.config.platform, platform)) {
    throw noPlatform(image.name, platform, [formatPlatform(read.config.platform)])
  }
  return { name: image.name, repository, ...read }
}

/** With the credentials of a push; with the key itself where it may only read, and only at the server it is for. */
async function openRepository(
  { server, session, openRepository }: RemotePorts,
  image: Image,
  registry: { readonly host: string; readonly secure: boolean },
  signal: AbortSignal | undefined,
): Promise<Repository> {
  const path = parseImageName(image.name).repository
  const { secure } = registry
  try {
    const { registryUrl, project, username, secret } = await server.pushAccess(path, signal)
    const credentials = { username, password: secret }
    return openRepository({ host: registryUrl, secure, repository: `${project}/${path}`, credentials })
  } catch (error) {
    if (!isCode(error, 'FORBIDDEN')) throw error
    const { bearer, server: url } = await session()
    if (new URL(url).host !== registry.host) throw error
    const repository = image.reference.slice(registry.host.length + 1, image.reference.lastIndexOf(':'))
    const credentials = { username: 'imgctl', password: await bearer.token(signal) }
    return openRepository({ host: registry.host, secure, repository, credentials })
  }
}
