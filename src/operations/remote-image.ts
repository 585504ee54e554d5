import type { Image } from '../contract/image.ts'
import { ImgctlError, isCode } from '../errors/error.ts'
import type { Digest } from '../oci/digest.ts'
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from '../oci/image-config.ts'
import { parseImageName } from '../oci/image-name.ts'
import { indexPlatforms, type Manifest, parseManifest, pickPlatform } from '../oci/manifest.ts'
import {
  formatPlatform,
  LINUX_AMD64,
  matchesPlatform,
  type Platform,
  parsePlatform,
} from '../oci/platform.ts'
import type { Session } from '../ports/credentials.ts'
import type { ManifestContent, OpenRepository, Repository } from '../ports/registry.ts'
import type { ServerConfiguration, ServerImages, ServerPushAccess } from '../ports/server.ts'

export interface RemotePorts {
  readonly server: ServerConfiguration & ServerImages & ServerPushAccess
  readonly session: () => Promise<Session>
  readonly openRepository: OpenRepository
}

/** An image on the server, for one platform: its documents; layers are read from the repository. */
export interface RemoteImage {
  /** On the server: `team/app:1.0`. */
  readonly name: string
  readonly repository: Repository
  readonly manifest: ManifestContent & { readonly parsed: Manifest }
  readonly config: ImageConfig
  readonly configBytes: Uint8Array
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
  const manifest = await readManifest(repository, image, wanted, signal)
  const configBytes = await readConfig(repository, manifest.parsed, signal)
  const parsed = parseImageConfig(configBytes)
  if (platform && !matchesPlatform(parsed.platform, platform)) {
    throw noPlatform(image, platform, [formatPlatform(parsed.platform)])
  }
  return { name: image.name, repository, manifest, config: parsed, configBytes }
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

async function readManifest(
  repository: Repository,
  image: Image,
  wanted: Platform,
  signal: AbortSignal | undefined,
): Promise<RemoteImage['manifest']> {
  const content = await repository.readManifest(image.digest as Digest, signal)
  const parsed = parseManifest(content.bytes, content.mediaType)
  if (parsed.kind === 'manifest') return { ...content, parsed }
  const entry = pickPlatform(parsed, wanted)
  if (entry === undefined) throw noPlatform(image, wanted, indexPlatforms(parsed))
  const inner = await repository.readManifest(entry.digest, signal)
  const manifest = parseManifest(inner.bytes, inner.mediaType)
  if (manifest.kind === 'manifest') return { ...inner, parsed: manifest }
  throw new ImgctlError('MANIFEST_INVALID', `the index of ${image.name} leads to another index`)
}

async function readConfig(
  repository: Repository,
  { config }: Manifest,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (config.size > MAX_CONFIG_BYTES) {
    const message = `the image config has ${config.size} bytes, more than ${MAX_CONFIG_BYTES}`
    throw new ImgctlError('MANIFEST_INVALID', message)
  }
  return Buffer.concat(await (await repository.readBlob(config, signal)).toArray())
}

function noPlatform({ name }: Image, wanted: Platform, offered: readonly string[]): ImgctlError {
  return new ImgctlError('ARCH_MISMATCH', `${name} is not there for ${formatPlatform(wanted)}`, {
    context: [`it is for ${offered.join(', ') || 'no platform'}`],
    hint: 'choose one with --platform',
  })
}
