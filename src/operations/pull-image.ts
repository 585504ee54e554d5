import { ImgctlError, isCode } from '../errors/error.ts'
import { isLoopback } from '../internal/loopback.ts'
import type { Digest } from '../oci/digest.ts'
import { formatImageName, parseImageName } from '../oci/image-name.ts'
import type { Platform } from '../oci/platform.ts'
import {
  DEFAULT_DOMAIN,
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
} from '../oci/reference.ts'
import type { Session } from '../ports/credentials.ts'
import type { EngineImages } from '../ports/engine.ts'
import type { EnginePull, PulledImage } from '../ports/engine-intake.ts'
import type { EngineAuth, EngineLayerProgress } from '../ports/engine-push.ts'
import type { EngineLoad } from '../ports/engine-transfer.ts'
import type { OpenRepository, Repository } from '../ports/registry.ts'
import type { RegistryCredentialsSource } from '../ports/registry-credentials.ts'
import type { ServerConfiguration, ServerImages, ServerPushAccess } from '../ports/server.ts'
import { pullDirectly } from './pull-directly.ts'

export interface PullPorts {
  readonly engine: EnginePull & EngineLoad & EngineImages
  /** The server's URL, whether anybody is logged in or not. */
  readonly serverUrl: () => Promise<string>
  readonly session: () => Promise<Session>
  readonly server: () => Promise<
    Pick<ServerImages, 'image'> & Pick<ServerPushAccess, 'pushAccess'> & ServerConfiguration
  >
  readonly registryCredentials: () => Promise<RegistryCredentialsSource>
  readonly openRepository: () => Promise<OpenRepository>
}

export interface PullRequest {
  /** A name on the server (`app:1.0`), or any registry's reference with its host. */
  readonly image: string
  readonly platform: Platform | undefined
  /** Registries are spoken to over HTTP where nothing is said. */
  readonly plainHttp?: boolean | undefined
}

export type PullEvent =
  | { readonly type: 'begin'; readonly reference: string }
  | { readonly type: 'layer'; readonly progress: EngineLayerProgress }
  /** Something worth a line. */
  | { readonly type: 'note'; readonly message: string }
  /** What the engine has taken of an image that is read here. */
  | { readonly type: 'bytes'; readonly done: number; readonly total: number }

export interface Pulled extends Omit<PulledImage, 'digests'> {
  readonly digest: Digest
  /** What the image is called in the engine, in docker's short form. */
  readonly reference: string
  /** `HOST/ORG/app@sha256:...` */
  readonly pinned: string
}

/** A reference, and how the engine is to get it. */
interface Upstream {
  readonly reference: Reference
  readonly secure: boolean
  readonly auth: EngineAuth | undefined
}

/** The user name does not count with a key or push secret; registries want one. */
const USERNAME = 'imgctl'
/** Names of Docker Hub's host that are left out of `Reference` and so have to be looked for in the text. */
const HUB_PREFIX = /^(?:index\.)?docker\.io\//

/**
 * Gets an image into the engine: by its name from the server, with a registry's host from there. The server's
 * credentials go to the server's registry alone, docker's to the registry that they are for.
 *
 * @throws ImgctlError as EnginePull; for a name on the server also AUTH_REQUIRED, IMAGE_NOT_FOUND, CONFLICT when it
 *   is not ready
 */
export async function pullImage(
  ports: PullPorts,
  { image, platform, plainHttp = false }: PullRequest,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<Pulled> {
  const reference = parseReference(image)
  const upstream = await (isOnServer(image, reference)
    ? serverUpstream(ports, image, reference, signal)
    : registryUpstream(ports, reference, plainHttp, signal))
  const { reference: found } = upstream
  onEvent({ type: 'begin', reference: familiarReference(found) })
  const { digests, ...pulled } = await pullUpstream(ports, upstream, platform, onEvent, signal)
  const digest = digests.length === 1 ? digests[0]! : await digestNow(ports, upstream, digests, signal)
  return {
    ...pulled,
    digest,
    reference: familiarReference(found),
    pinned: `${familiarName(found)}@${digest}`,
  }
}

/** By the engine; from here when it does not reach the registry: in a VM, behind a proxy, without the certificate. */
async function pullUpstream(
  ports: PullPorts,
  upstream: Upstream,
  platform: Platform | undefined,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<PulledImage> {
  const { reference, secure, auth } = upstream
  const { tag } = reference
  try {
    return await ports.engine.pullImage(formatReference(reference), auth, {
      secure,
      signal,
      onProgress: (progress) => onEvent({ type: 'layer', progress }),
      ...(platform ? { platform } : {}),
    })
  } catch (error) {
    // What is loaded is known by its tag alone.
    if (!isCode(error, 'REGISTRY_UNREACHABLE') || tag === undefined || reference.digest) throw error
    const message = `the engine does not reach ${reference.domain}, getting it from here (${error.message})`
    onEvent({ type: 'note', message })
    const repository = await openUpstream(ports, upstream)
    const onBytes = (done: number, total: number) => onEvent({ type: 'bytes', done, total })
    return pullDirectly(ports.engine, repository, { ...reference, tag }, platform, onBytes, signal)
  }
}

async function openUpstream(
  { openRepository }: PullPorts,
  { reference: { domain, path }, secure, auth }: Upstream,
): Promise<Repository> {
  const open = await openRepository()
  return open({ host: domain, secure, repository: path, ...(auth ? { credentials: auth } : {}) })
}

/** The one of an image's digests that the registry has under the tag. */
async function digestNow(
  ports: PullPorts,
  upstream: Upstream,
  digests: readonly Digest[],
  signal: AbortSignal,
): Promise<Digest> {
  const { reference } = upstream
  const { tag = 'latest' } = reference
  const repository = await openUpstream(ports, upstream)
  const digest = await repository.manifestDigest(tag, signal)
  if (digest !== undefined && digests.includes(digest)) return digest
  throw new ImgctlError('CONFLICT', `${familiarReference(reference)} was moved while it was pulled`, {
    hint: 'pull it again',
    retryable: true,
  })
}

/** No registry is named: a name that the server may have, and Docker Hub perhaps to a stranger, is the server's. */
function isOnServer(text: string, { domain }: Reference): boolean {
  return domain === DEFAULT_DOMAIN && !HUB_PREFIX.test(text)
}

async function serverUpstream(
  ports: PullPorts,
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
  ports: PullPorts,
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
  ports: PullPorts,
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
  ports: PullPorts,
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
