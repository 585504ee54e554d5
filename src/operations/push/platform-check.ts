import { ImgctlError } from '../../errors/error.ts'
import { formatPlatform, matchesPlatform, type Platform, parsePlatform } from '../../oci/platform.ts'

/** Daytona's words for the one platform its users know; others are named as they are. */
const FAMILIAR: Readonly<Record<string, string>> = { 'linux/amd64': 'AMD', 'linux/arm64': 'ARM' }

/**
 * Refuses an image that the server could not run, before anything is sent.
 *
 * @param title the image as the user named it
 * @param accepted the server's platforms, `os/architecture`
 * @throws ImgctlError ARCH_MISMATCH with the command that makes the right image
 */
export function checkPlatform(title: string, platform: Platform, accepted: readonly string[]): void {
  const wanted = accepted.flatMap((text) => parsePlatform(text) ?? [])
  if (wanted.some((candidate) => matchesPlatform(platform, candidate))) return
  const first = accepted[0] ?? 'linux/amd64'
  const family = FAMILIAR[first] ?? first
  const runs = accepted.join(' or ')
  throw new ImgctlError(
    'ARCH_MISMATCH',
    `image '${title}' is not compatible with ${family} architecture (it is ${formatPlatform(platform)}, the server runs ${runs})`,
    { hint: `docker buildx build --platform ${first} -t ${buildTag(title)} --load .` },
  )
}

/** An archive or a layout has no tag to build again; any name will do in the hint. */
function buildTag(title: string): string {
  return /^[a-z0-9][\w./:-]*$/i.test(title) && !/\.(?:tar|tgz|gz)$/i.test(title) ? title : 'NAME:TAG'
}
