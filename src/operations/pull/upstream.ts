import { ImgctlError, isCode } from '../../errors/error.ts'
import { isLoopback } from '../../internal/loopback.ts'
import { formatImageName, parseImageName } from '../../oci/image-name.ts'
import { DEFAULT_DOMAIN, formatReference, parseReference, type Reference } from '../../oci/reference.ts'
import type { Session } from '../../ports/credentials.ts'
import type { EngineAuth } from '../../ports/engine-push.ts'
import type { RegistryCredentialsSource } from '../../ports/registry-credentials.ts'
import type { ServerConfiguration, ServerImages, ServerPushAccess } from '../../ports/server.ts'

export interface UpstreamPorts {
  /** The server's URL, whether anybody is logged in or not. */
  readonly serverUrl: () => Promise<string>
  readonly session: () => Promise<Session>
  readonly server: () => Promise<
    Pick<ServerImages, 'image'> & Pick<ServerPushAccess, 'pushAccess'> & ServerConfiguration
  >
  readonly registryCredentials: () => Promise<RegistryCredentialsSource>
}

/** A reference, and how the engine is to get it. */
export interface Upstream {
  readonly reference: Reference
  readonly secure: boolean
  readonly auth: EngineAuth | undefined
}

/** The user name does not count with a key or push secret; registries want one. */
const USERNAME = 'imgctl'
/** Names of Docker Hub's host that are left out of `Reference` and so have to be looked for in the text. */
const HUB_PREFIX = /^(?:index\.)?docker\.io\//

/**
 * Where an image is to be got by what the user typed: a name without a registry is the server's. The server's
 * credentials go to the server's registry alone, docker's to the registry that they are for.
 *
 * @param plainHttp registries are spoken to over HTTP where nothing is said
 * @throws ImgctlError NAME_INVALID; for a name on the server also AUTH_REQUIRED, IMAGE_NOT_FOUND, CONFLICT when it is
 *   not ready
 */
export async function findUpstream(
  ports: UpstreamPorts,
  image: string,
  plainHttp: boolean,
  signal: AbortSignal,
): Promise<Upstream> {
  const reference = parseReference(image)
  return isOnServer(image, reference)
    ? serverUpstream(ports, image, reference, signal)
    : registryUpstream(ports, reference, plainHttp, signal)
}

/** No registry is named: a name that the server may have, and Docker Hub perhaps to a stranger, is the server's. */
function isOnServer(text: string, { domain }: Reference): boolean {
  return domain === DEFAULT_DOMAIN && !HUB_PREFIX.test(text)
}

async function serverUpstream(
  ports: UpstreamPorts,
  text: string,
  reference: Reference,
  signal: AbortSignal,
): Promise<Upstream> {
  try {
    const name = parseImageName(text)
    const server = await ports.server()
    const image = await server.image(formatImageName(name), signal)
    if (image.digest === null) {
      throw new ImgctlError(
        'CONFLICT',
        `image ${image.name} is ${image.state}: there is nothing to pull yet`,
        {
          hint: `see what it waits for: imgctl image inspect --remote ${image.name}`,
        },
      )
    }
    const { registry } = await server.config(signal)
    const found = parseReference(image.reference)
    return { reference: found, secure: registry.secure, auth: await serverAuth(ports, found, signal) }
  } catch (error) {
    if (!isCode(error, 'NAME_INVALID', 'IMAGE_NOT_FOUND', 'AUTH_REQUIRED')) throw error
    throw withHub(error, reference)
  }
}

/** A name without a registry means Docker Hub elsewhere: how to say so here. */
function withHub(error: ImgctlError, reference: Reference): ImgctlError {
  const onHub = formatReference(reference.digest ? reference : { tag: 'latest', ...reference })
  const { code, message, hint, context, status, requestId } = error
  return new ImgctlError(code, message, {
    hint: [hint, `from Docker Hub: imgctl image pull ${onHub}`].filter(Boolean).join('; '),
    context,
    cause: error,
    ...(status === undefined ? {} : { status }),
    ...(requestId === undefined ? {} : { requestId }),
  })
}

async function registryUpstream(
  ports: UpstreamPorts,
  typed: Reference,
  plainHttp: boolean,
  signal: AbortSignal,
): Promise<Upstream> {
  const reference = typed.digest === undefined ? { tag: 'latest', ...typed } : typed
  const { domain } = reference
  const url = new URL(await ports.serverUrl())
  if (domain === url.host) {
    return {
      reference,
      secure: url.protocol === 'https:',
      auth: await knownServerAuth(ports, reference, signal),
    }
  }
  const source = await ports.registryCredentials()
  const credentials = await source.credentialsFor(domain, { repository: reference.path, signal })
  return {
    reference,
    secure: !plainHttp && !isLoopback(domain),
    auth: credentials && { ...credentials, registry: domain },
  }
}

/** Nobody needs to be logged in for a public image. */
async function knownServerAuth(
  ports: UpstreamPorts,
  reference: Reference,
  signal: AbortSignal,
): Promise<EngineAuth | undefined> {
  try {
    return await serverAuth(ports, reference, signal)
  } catch (error) {
    if (isCode(error, 'AUTH_REQUIRED')) return undefined
    throw error
  }
}

/** An hour's access to the one repository; the key itself for those who may only read. */
async function serverAuth(
  ports: UpstreamPorts,
  { domain, path }: Reference,
  signal: AbortSignal,
): Promise<EngineAuth> {
  const repository = path.slice(path.indexOf('/') + 1)
  try {
    const { username, secret } = await (await ports.server()).pushAccess(repository, signal)
    return { username, password: secret, registry: domain }
  } catch (error) {
    if (!isCode(error, 'FORBIDDEN')) throw error
    const { bearer } = await ports.session()
    return { username: USERNAME, password: await bearer.token(signal), registry: domain }
  }
}
