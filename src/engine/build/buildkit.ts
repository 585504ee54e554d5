import type { ImgctlError } from '../../errors/error.ts'
import type { BuildEvent, BuildRequest } from '../../ports/engine-build.ts'
import type { EngineConnection } from '../connection.ts'
import type { EngineEnvironment } from '../environment.ts'
import { asFields, stringAt } from '../json-fields.ts'
import { type EngineEvent, readEvents } from '../ndjson.ts'
import { buildCall } from './build-call.ts'
import { ContextProgress } from './context-progress.ts'
import { buildFailure } from './failure.ts'
import { offeredFolders } from './offered-folders.ts'
import { credentialsByHost } from './registries.ts'
import { SecretMask } from './secret-mask.ts'
import { openSession } from './session.ts'
import { sharedKey } from './shared-key.ts'
import { decodeStatus } from './status.ts'
import { BuildSteps } from './steps.ts'
import { VertexSteps } from './vertex-steps.ts'

/** BuildKit sends up to 1 MiB of logs in one message, and base64 makes it a third longer. */
const MAX_MESSAGE_LENGTH = 8 * 1024 * 1024
/** After Ctrl-C an engine that hangs must not hold the user. */
const CANCEL_TIMEOUT_MS = 2000

/** One build, whoever does it. */
export interface BuildRun {
  readonly engine: EngineConnection
  readonly environment: EngineEnvironment
  readonly request: BuildRequest
  readonly onEvent: (event: BuildEvent) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Builds with BuildKit, which fetches over a session what it needs of the context, and what a step may not keep.
 *
 * @returns the image id that BuildKit said
 * @throws ImgctlError as EngineBuild.build
 */
export async function buildWithBuildKit(run: BuildRun): Promise<string | undefined> {
  const { engine, environment, request, onEvent, signal } = run
  const mask = new SecretMask()
  const steps = new BuildSteps(mask, onEvent)
  const session = await openSession(
    engine,
    await sharedKey(request.files.id, environment),
    {
      credentialsFor: credentialsByHost(request),
      secrets: request.secrets ?? [],
      ssh: request.ssh ?? [],
      onSecret: (value) => mask.add(value),
      folders: offeredFolders(request, new ContextProgress(onEvent)),
    },
    signal,
  )
  let over = false
  const failure = (message: string): ImgctlError => {
    over = true
    return buildFailure(mask.hide(message), request, steps.failed)
  }
  try {
    const imageId = await follow(run, session.id, new VertexSteps(steps, onEvent), failure)
    over = true
    return imageId
  } catch (error) {
    throw session.failure() ?? error
  } finally {
    if (!over) await cancel(engine, session.id)
    session.close()
  }
}

async function follow(
  { engine, request, signal }: BuildRun,
  id: string,
  steps: VertexSteps,
  failure: (message: string) => ImgctlError,
): Promise<string | undefined> {
  const call = buildCall(request)
  const body = await engine.open({
    ...call,
    query: {
      ...{ ...call.query, dockerfile: request.dockerfile.fileName },
      ...{ version: '2', remote: 'client-session', session: id, buildid: id },
    },
    signal,
    refusal: (_status, message) => failure(message),
  })
  let imageId: string | undefined
  for await (const event of readEvents(body, failure, MAX_MESSAGE_LENGTH)) {
    if (event['id'] === 'moby.buildkit.trace') steps.follow(decodeStatus(traceBytes(event)))
    else if (event['id'] === 'moby.image.id') imageId = stringAt(asFields(event['aux']), 'ID')
  }
  return imageId
}

/** Go writes bytes in JSON as base64. */
function traceBytes({ aux }: EngineEvent): Uint8Array {
  return Buffer.from(typeof aux === 'string' ? aux : '', 'base64')
}

/**
 * Tells the engine to stop: older ones do not see that the connection is closed.
 * There is nothing left to do when that fails.
 */
async function cancel(engine: EngineConnection, id: string): Promise<void> {
  const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS)
  await engine.send({ method: 'POST', path: '/build/cancel', query: { id }, signal }).catch(() => {})
}
