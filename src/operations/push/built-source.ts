import { LINUX_AMD64, type Platform } from '../../oci/platform.ts'
import type { Engine } from '../../ports/engine.ts'
import type { EngineBuild } from '../../ports/engine-build.ts'
import type { RegistryCredentialsSource } from '../../ports/registry-credentials.ts'
import { type BuildImageRequest, buildImage } from '../build/build-image.ts'
import { engineSource } from './engine-source.ts'
import type { PushEvent } from './events.ts'
import type { ImageSource } from './source.ts'
import { newStagingTag, sweepStagingTags } from './staging-tag.ts'

/** What the user chose about a build; its platform is the server's unless it is given. */
export type BuildChoice = Omit<BuildImageRequest, 'tags'>

export interface BuildSourcePorts {
  readonly engine: Engine & EngineBuild
  readonly credentials: RegistryCredentialsSource
}

/** Repository of what is built to be pushed; with a staging tag it names nothing of the user's. */
const STAGING_REPOSITORY = 'imgctl-build'

/**
 * Builds an image to push. Until it is kept it has a staging tag only, which closing the source removes: so a build
 * that fails, or whose push fails, leaves the engine's images as they were.
 */
export async function builtSource(
  { engine, credentials }: BuildSourcePorts,
  build: BuildChoice,
  title: string,
  onEvent: (event: PushEvent) => void,
  signal: AbortSignal | undefined,
): Promise<ImageSource> {
  const platform = build.platform ?? LINUX_AMD64
  await noteForeignPlatform(engine, platform, onEvent, signal)
  await sweepStagingTags(engine, signal)
  const reference = `${STAGING_REPOSITORY}:${newStagingTag()}`
  const onBuild = (event: Parameters<Parameters<typeof buildImage>[2]>[0]) =>
    onEvent({ type: 'build', event })
  try {
    await buildImage({ engine, credentials }, { ...build, platform, tags: [reference] }, onBuild, signal)
    const source = await engineSource(engine, reference, title, async () => [platform], signal)
    return { ...source, close: () => engine.untagImage(reference) }
  } catch (error) {
    await engine.untagImage(reference).catch(() => undefined)
    throw error
  }
}

/** A build for another platform than the engine's may be slow, or need emulation: that is said. */
async function noteForeignPlatform(
  engine: Engine,
  platform: Platform,
  onEvent: (event: PushEvent) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { platform: own } = await engine.info(signal)
  if (own.architecture === platform.architecture) return
  const [wanted, is] = [platform, own].map(({ os, architecture }) => `${os}/${architecture}`)
  onEvent({ type: 'note', message: `building for ${wanted}, which the server needs; this engine is ${is}` })
}
