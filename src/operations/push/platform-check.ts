import { ImgctlError } from '../../errors/error.ts'
import { matchesPlatform, type Platform, parsePlatform } from '../../oci/platform.ts'
import { platformsHere, pullCommand } from '../engine-platform.ts'
import type { ImageSource } from './source.ts'

/** Daytona's words for the one platform its users know; others are named as they are. */
const FAMILIAR: Readonly<Record<string, string>> = { 'linux/amd64': 'AMD', 'linux/arm64': 'ARM' }

/**
 * Refuses an image that the server could not run, before anything is sent.
 *
 * @param source its title is the image as the user named it
 * @param accepted the server's platforms, `os/architecture`
 * @throws ImgctlError ARCH_MISMATCH with the command that makes or fetches the right image
 */
export function checkPlatform(
  source: Pick<ImageSource, 'title' | 'platform' | 'variants' | 'engineReference'>,
  accepted: readonly string[],
): void {
  const { title, platform, variants } = source
  const wanted = accepted.flatMap((text) => parsePlatform(text) ?? [])
  if (isOneOf(platform, wanted)) return
  const first = accepted[0] ?? 'linux/amd64'
  const family = FAMILIAR[first] ?? first
  const runs = accepted.join(' or ')
  const unpulled = variants.find((variant) => isOneOf(variant.platform, wanted))
  throw new ImgctlError(
    'ARCH_MISMATCH',
    `image '${title}' is not compatible with ${family} architecture (it is ${platformsHere(source)}, the server runs ${runs})`,
    {
      hint: unpulled
        ? pullCommand(source.engineReference ?? title, unpulled.platform)
        : `docker buildx build --platform ${first} -t ${buildTag(title)} --load .`,
    },
  )
}

function isOneOf(platform: Platform, wanted: readonly Platform[]): boolean {
  return wanted.some((candidate) => matchesPlatform(platform, candidate))
}

/** An archive or a layout has no tag to build again; any name will do in the hint. */
function buildTag(title: string): string {
  return /^[a-z0-9][\w./:-]*$/i.test(title) && !/\.(?:tar|tgz|gz)$/i.test(title) ? title : 'NAME:TAG'
}
