import { ImgctlError } from '../errors/error.ts'
import { parseGivenName } from '../oci/given-name.ts'
import type { EngineConnection } from './connection.ts'
import { inspectImage, notFound } from './images.ts'
import { engineName } from './names.ts'

/** As EngineNaming.nameImage. */
export async function nameImage(
  engine: EngineConnection,
  source: string,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  const { repository, tag } = parseGivenName(target)
  // Says which names may have been meant when there is no such image.
  await inspectImage(engine, source, signal)
  await engine.send({
    method: 'POST',
    path: `/images/${engineName(source)}/tag`,
    query: { repo: repository, tag },
    signal,
    refusal: (status, message) => notFound(source)(status) ?? refusedName(target, message),
  })
}

/** Older engines have a narrower grammar: no capitals in a host without a dot. */
function refusedName(target: string, message: string): ImgctlError | undefined {
  if (!message.includes('invalid reference format')) return undefined
  return new ImgctlError('NAME_INVALID', `the engine does not take the name ${target}: ${message}`)
}
