import type { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { formatPlatform, type Platform } from '../oci/platform.ts'
import type { EngineExports } from '../ports/engine-transfer.ts'
import { compareApiVersions } from './api-version.ts'
import type { EngineConnection } from './connection.ts'
import { notFound } from './images.ts'
import { engineName } from './names.ts'

/** The first API in which an export can be limited to one platform. */
const PLATFORM_EXPORT_API = '1.48'

export type ExportOptions = NonNullable<Parameters<EngineExports['exportImages']>[1]>

/** What `docker save` of one image writes. Destroying the stream ends the request in the engine. */
export async function exportImage(
  engine: EngineConnection,
  reference: string,
  signal?: AbortSignal,
): Promise<Readable> {
  const path = `/images/${engineName(reference)}/get`
  return engine.open({ method: 'GET', path, signal, refusal: notFound(reference) })
}

/**
 * As EngineExports.exportImages.
 * https://docs.docker.com/reference/api/engine/#tag/Image/operation/ImageGetAll
 */
export async function exportImages(
  engine: EngineConnection,
  references: readonly string[],
  { platform, signal }: ExportOptions = {},
): Promise<Readable> {
  return engine.open({
    method: 'GET',
    path: '/images/get',
    query: {
      names: references.map(engineName),
      ...(platform ? { platform: platformQuery(engine, platform) } : {}),
    },
    signal,
    refusal: notFound(references.join(', ')),
  })
}

function platformQuery(engine: EngineConnection, platform: Platform): string {
  if (compareApiVersions(engine.apiVersion, PLATFORM_EXPORT_API) >= 0) return JSON.stringify(platform)
  throw new ImgctlError(
    'UNSUPPORTED',
    `this engine (API ${engine.apiVersion}) cannot export ${formatPlatform(platform)} alone`,
    { hint: 'Docker 28 and later can; or leave --platform away' },
  )
}
