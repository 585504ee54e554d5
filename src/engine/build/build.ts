import { ImgctlError } from '../../errors/error.ts'
import type { BuildOptions, BuildRequest, BuildResult } from '../../ports/engine-build.ts'
import type { EngineConnection } from '../connection.ts'
import type { EngineEnvironment } from '../environment.ts'
import { inspectImage } from '../images.ts'
import { engineName, splitTarget } from '../names.ts'
import { chooseBuilder } from './builder-choice.ts'
import { buildWithBuildKit } from './buildkit.ts'
import { buildClassically } from './classic.ts'

/**
 * Builds an image and makes sure that it is there.
 *
 * @throws ImgctlError as EngineBuild.build
 */
export async function buildImage(
  connection: Promise<EngineConnection>,
  environment: EngineEnvironment,
  request: BuildRequest,
  { signal, onEvent = () => {} }: BuildOptions = {},
): Promise<BuildResult> {
  const engine = await connection
  for (const tag of request.tags ?? []) splitTarget(tag)
  const builder = chooseBuilder(engine, request)
  onEvent({ kind: 'builder', builder })
  try {
    const run = { engine, environment, request, onEvent, signal }
    const said = builder === 'buildkit' ? await buildWithBuildKit(run) : await buildClassically(run)
    if (said === undefined) throw unproven()
    const { id } = await inspectImage(engine, engineName(said), signal)
    return { imageId: id, builder }
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

function unproven(): ImgctlError {
  return new ImgctlError('ENGINE_ERROR', 'the engine stopped building without saying which image it built', {
    retryable: true,
  })
}
