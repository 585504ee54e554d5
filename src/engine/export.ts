import type { Readable } from 'node:stream'
import { ImgctlError, isCode } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import type { Platform } from '../oci/platform.ts'
import type { EngineExports } from '../ports/engine-transfer.ts'
import type { EngineCall, EngineConnection } from './connection.ts'
import { inspectImage } from './images.ts'
import { engineName } from './names.ts'
import { platformQuery } from './platforms.ts'

export type ExportOptions = NonNullable<Parameters<EngineExports['exportImages']>[1]>

/** As EngineExport.exportImage. */
export async function exportImage(
  engine: EngineConnection,
  reference: string,
  signal?: AbortSignal,
  platform?: Platform,
): Promise<Readable> {
  const path = `/images/${engineName(reference)}/get`
  return openExport(engine, [reference], { path, query: platformQuery(engine, 'export', platform), signal })
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
  const query = { names: references.map(engineName), ...platformQuery(engine, 'export', platform) }
  return openExport(engine, references, { path: '/images/get', query, signal })
}

/** An engine answers 404 for an image that is not there, and for one whose content is not. */
async function openExport(
  engine: EngineConnection,
  references: readonly string[],
  call: Omit<EngineCall, 'method' | 'refusal'>,
): Promise<Readable> {
  const names = references.join(', ')
  const refusal = (status: number, message: string) =>
    status === 404 ? contentMissing(names, message) : undefined
  try {
    return await engine.open({ ...call, method: 'GET', refusal })
  } catch (error) {
    if (!isCode(error, 'BLOB_MISSING')) throw error
    for (const reference of references) await inspectImage(engine, reference, call.signal)
    throw error
  }
}

function contentMissing(names: string, message: string): ImgctlError {
  return new ImgctlError(
    'BLOB_MISSING',
    `the engine does not have all of ${makeVisible(names)}: ${makeVisible(message)}`,
    { hint: `fetch what is missing: docker pull ${makeVisible(names)}` },
  )
}
