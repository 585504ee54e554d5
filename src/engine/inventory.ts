import { ImgctlError } from '../errors/error.ts'
import { retry } from '../internal/retry.ts'
import type { EngineCall, EngineConnection } from './connection.ts'

/**
 * Engines describe each thing they listed, and some fail as a whole when one was removed meanwhile: Podman, and Docker's
 * containerd store (https://github.com/moby/moby/issues/51978). Soon it is not listed.
 */
const WHILE_REMOVED = { attempts: 5, baseMs: 50, maxMs: 400 } as const

/**
 * A GET of what an engine has of one kind.
 *
 * @param doing what the engine is to do, for its error: `list its images`
 * @throws ImgctlError ENGINE_ERROR, ENGINE_UNREACHABLE
 */
export function readInventory(
  engine: EngineConnection,
  call: Pick<EngineCall, 'path' | 'query' | 'signal'>,
  doing: string,
): Promise<unknown> {
  const refusal = (status: number, message: string) =>
    status === 404 || status === 500
      ? new ImgctlError('ENGINE_ERROR', `the engine could not ${doing}: ${message}`, {
          status,
          retryable: true,
        })
      : undefined
  const { signal } = call
  return retry({ ...WHILE_REMOVED, ...(signal ? { signal } : {}) }, () =>
    engine.json({ method: 'GET', ...call, refusal }),
  )
}
