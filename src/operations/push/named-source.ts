import { defaultName } from '../../build/default-name.ts'
import type { ServerConfig } from '../../contract/server.ts'
import { ImgctlError, isCode } from '../../errors/error.ts'
import { formatImageName, type ImageName } from '../../oci/image-name.ts'
import { LINUX_AMD64, type Platform, parsePlatform } from '../../oci/platform.ts'
import type { Engine } from '../../ports/engine.ts'
import type { EngineBuild } from '../../ports/engine-build.ts'
import type { RegistryCredentialsSource } from '../../ports/registry-credentials.ts'
import { parseImageArgument } from '../image-argument.ts'
import type { BuildChoice } from './built-source.ts'
import type { PushEvent } from './events.ts'
import { openSource } from './open-source.ts'
import { checkPlatform } from './platform-check.ts'
import type { ImageSource } from './source.ts'
import { checkName, targetName, typedReference } from './target.ts'

export interface NamedSourcePorts {
  /** Called only for an image that is in an engine, or built there. */
  readonly engine: () => Promise<Engine & EngineBuild>
  /** The user's credentials for the registries of base images. */
  readonly credentials: () => Promise<RegistryCredentialsSource>
  /** For git, which names what is built without a name. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Which image, and what it is to be called on the server. */
export interface NamedSourceRequest {
  /**
   * An image of the engine, an archive's path, or `oci:DIR`. With `build`: the name that the image gets here and on
   * the server.
   */
  readonly source: string | undefined
  /** Builds the image first. */
  readonly build?: BuildChoice
  /** Which image of an archive that holds several. */
  readonly image?: string
  /** Which platform of several, instead of the first that the server runs. */
  readonly platform?: Platform
  /** The name on the server, when it is not the source's. */
  readonly name?: string
}

/** What is pushed, and the name that it gets on the server. */
export interface NamedSource {
  readonly source: ImageSource
  readonly name: ImageName
}

interface Naming {
  readonly ports: NamedSourcePorts
  readonly request: NamedSourceRequest
  /** The server's: what it runs, and whether it builds. Asked when it is needed. */
  readonly config: () => Promise<Pick<ServerConfig, 'platforms' | 'builder'>>
  readonly onEvent: (event: PushEvent) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Opens what is to be pushed, or builds it. The caller closes the source.
 *
 * @throws ImgctlError NAME_INVALID, and for a build ARCH_MISMATCH, before anything else is done; as openSource and
 *   builtSource
 */
export async function openNamedSource(run: Naming): Promise<NamedSource> {
  const { build } = run.request
  return build ? buildNamed(run, build) : openNamed(run)
}

/** What is there already: in the engine, an archive or a layout. A name that cannot be one is refused first. */
async function openNamed(run: Naming): Promise<NamedSource> {
  const { ports, request, signal } = run
  const argument = parseImageArgument(request.source ?? '')
  checkName(request.name, argument)
  const platforms = async () =>
    request.platform
      ? [request.platform]
      : (await run.config()).platforms.flatMap((text) => parsePlatform(text) ?? [])
  const source = await openSource(argument, request.image, ports.engine, platforms, signal)
  try {
    return { source, name: targetName(request.name, typedReference(argument), source.repoTags) }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** What is built now. Its name and platform are checked before the build, which may take long. */
async function buildNamed(run: Naming, build: BuildChoice): Promise<NamedSource> {
  const { request, onEvent } = run
  const config = await run.config()
  const accepted = config.platforms
  const name = request.name ?? request.source ?? (await nameOfFolder(run, build.folder))
  const parsed = targetName(name, undefined, [])
  const platform = build.platform ?? parsePlatform(accepted[0] ?? '') ?? LINUX_AMD64
  const title = formatImageName(parsed)
  checkPlatform({ title, platform, variants: [], engineReference: undefined }, accepted)
  onEvent({ type: 'note', message: `building ${title}` })
  try {
    return { source: await buildInEngine(run, { ...build, platform }, title), name: parsed }
  } catch (error) {
    throw config.builder && isCode(error, 'ENGINE_UNREACHABLE') ? orBuiltByServer(error) : error
  }
}

async function buildInEngine(
  { ports, onEvent, signal }: Naming,
  build: BuildChoice & { readonly platform: Platform },
  title: string,
): Promise<ImageSource> {
  const tools = { engine: await ports.engine(), credentials: await ports.credentials() }
  // What builds is loaded by those who build.
  const { builtSource } = await import('./built-source.ts')
  return builtSource(tools, build, title, onEvent, signal)
}

/** An engine is not the only way when the server builds. */
function orBuiltByServer(error: ImgctlError): ImgctlError {
  const { code, message, context, cause } = error
  const hint = `${error.hint ?? 'start Docker or Podman'}; or let the server build: POST /api/images/build`
  return new ImgctlError(code, message, { context, hint, cause })
}

async function nameOfFolder({ ports, signal }: Naming, folder: string): Promise<string> {
  const { environment } = ports
  return formatImageName(
    await defaultName({ folder, environment, now: new Date(), ...(signal ? { signal } : {}) }),
  )
}
