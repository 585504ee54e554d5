import { ImgctlError, isCode } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Platform } from '../../oci/platform.ts'
import { familiarName, familiarReference, formatReference } from '../../oci/reference.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EnginePull, PulledImage } from '../../ports/engine-intake.ts'
import type { EngineLayerProgress } from '../../ports/engine-push.ts'
import type { EngineLoad } from '../../ports/engine-transfer.ts'
import type { OpenRepository, Repository } from '../../ports/registry.ts'
import { pullDirectly } from './pull-directly.ts'
import { findUpstream, type Upstream, type UpstreamPorts } from './upstream.ts'

export interface PullPorts extends UpstreamPorts {
  readonly engine: EnginePull & EngineLoad & EngineImages
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

/**
 * Gets an image into the engine: by its name from the server, with a registry's host from there.
 *
 * @throws ImgctlError as EnginePull and `findUpstream`; CONFLICT when the tag was moved meanwhile
 */
export async function pullImage(
  ports: PullPorts,
  { image, platform, plainHttp = false }: PullRequest,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<Pulled> {
  const upstream = await findUpstream(ports, image, plainHttp, signal)
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
