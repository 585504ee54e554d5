import { ImgctlError } from '../errors/error.ts'
import { isDigest } from '../oci/digest.ts'
import { INDEX_TYPES } from '../oci/media-types.ts'
import { formatPlatform, matchesPlatform, normalizePlatform, type Platform } from '../oci/platform.ts'
import type { EngineImage, EngineVariant } from '../ports/engine.ts'
import { compareApiVersions } from './api-version.ts'
import type { EngineConnection } from './connection.ts'
import { asFields, type Fields, stringAt } from './json-fields.ts'

/** The first API in which a request takes a platform. https://docs.docker.com/reference/api/engine/version-history/ */
const PLATFORM_SINCE = {
  push: { api: '1.46', engine: 'Docker 27' },
  export: { api: '1.48', engine: 'Docker 28' },
  history: { api: '1.48', engine: 'Docker 28' },
  inspect: { api: '1.49', engine: 'Docker 28.1' },
} as const
/** The first API in which an inspect tells what there is of an index. */
const MANIFESTS_SINCE = '1.48'

export type PlatformRequest = keyof typeof PLATFORM_SINCE

/**
 * The parameter that makes a request be about one platform of an image; none for no platform.
 *
 * @throws ImgctlError UNSUPPORTED when the engine does not know it: it would answer for another platform
 */
export function platformQuery(
  engine: Pick<EngineConnection, 'apiVersion'>,
  request: PlatformRequest,
  platform: Platform | undefined,
): { platform?: string } {
  if (platform === undefined) return {}
  if (takesPlatform(engine, request)) return { platform: JSON.stringify(platform) }
  const { engine: first } = PLATFORM_SINCE[request]
  throw new ImgctlError(
    'UNSUPPORTED',
    `this engine (API ${engine.apiVersion}) cannot ${request} ${formatPlatform(platform)} alone`,
    { hint: `${first} and later can; or leave --platform away` },
  )
}

export function takesPlatform(
  { apiVersion }: Pick<EngineConnection, 'apiVersion'>,
  request: PlatformRequest,
): boolean {
  return compareApiVersions(apiVersion, PLATFORM_SINCE[request].api) >= 0
}

export function tellsManifests({ apiVersion }: Pick<EngineConnection, 'apiVersion'>): boolean {
  return compareApiVersions(apiVersion, MANIFESTS_SINCE) >= 0
}

/** The images of an index, as an inspect with `manifests` tells them: attestations are none. */
export function readVariants(image: Fields): EngineVariant[] {
  const mediaType = stringAt(asFields(image['Descriptor']), 'mediaType') ?? ''
  const manifests = image['Manifests']
  if (!INDEX_TYPES.includes(mediaType) || !Array.isArray(manifests)) return []
  return manifests.map(asFields).flatMap((manifest): EngineVariant[] => {
    const platform = asFields(asFields(manifest['ImageData'])['Platform'])
    const [os, architecture] = [stringAt(platform, 'os'), stringAt(platform, 'architecture')]
    const digest = stringAt(manifest, 'ID')
    if (manifest['Kind'] !== 'image' || !os || !architecture || !digest || !isDigest(digest)) return []
    const variant = stringAt(platform, 'variant')
    return [
      {
        platform: normalizePlatform({ os, architecture, ...(variant ? { variant } : {}) }),
        digest,
        isPresent: manifest['Available'] === true,
      },
    ]
  })
}

/**
 * The variant that is to be read instead of the one that the engine chose.
 *
 * @param wanted the first that is here counts
 * @returns undefined when the engine's choice is right, or nothing wanted is here
 */
export function betterVariant(
  { platform, variants }: Pick<EngineImage, 'platform' | 'variants'>,
  wanted: readonly Platform[],
): EngineVariant | undefined {
  const present = variants.filter(({ isPresent }) => isPresent)
  for (const one of wanted) {
    if (matchesPlatform(platform, one)) return undefined
    const found = present.find((variant) => matchesPlatform(variant.platform, one))
    if (found) return found
  }
  return undefined
}
