import { ImgctlError } from '../errors/error.ts'
import { retry } from '../internal/retry.ts'
import type { EngineConnection } from './connection.ts'
import { asFields, type Fields } from './json-fields.ts'

/**
 * Engines describe each image they listed, and some (Podman; Docker's containerd store) fail as a whole when one was
 * removed meanwhile. Soon it is not listed.
 */
const WHILE_REMOVED = { attempts: 5, baseMs: 50, maxMs: 400 } as const

/** GET /images/json: what the engine says of each image. @throws ImgctlError ENGINE_ERROR, ENGINE_UNREACHABLE */
export function imageList(
  engine: EngineConnection,
  query: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Fields[]> {
  const refusal = (status: number, message: string) =>
    status === 404 || status === 500
      ? new ImgctlError('ENGINE_ERROR', `the engine could not list its images: ${message}`, {
          status,
          retryable: true,
        })
      : undefined
  return retry({ ...WHILE_REMOVED, ...(signal ? { signal } : {}) }, async () => {
    const images = await engine.json({ method: 'GET', path: '/images/json', query, signal, refusal })
    return Array.isArray(images) ? images.map(asFields) : []
  })
}
