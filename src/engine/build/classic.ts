import type { ImgctlError } from '../../errors/error.ts'
import { asFields, stringAt } from '../json-fields.ts'
import { readEvents } from '../ndjson.ts'
import { buildCall } from './build-call.ts'
import type { BuildRun } from './buildkit.ts'
import { ClassicSteps } from './classic-steps.ts'
import { buildFailure } from './failure.ts'
import { linksOutFailure } from './links-out.ts'
import {
  baseRegistries,
  credentialsByHost,
  encodeRegistryConfig,
  onlyLoopbackRegistries,
} from './registries.ts'
import { SecretMask } from './secret-mask.ts'
import { SentContext } from './sent-context.ts'
import { removeStepImages } from './step-images.ts'
import { BuildSteps } from './steps.ts'

/**
 * Podman 4.3 lists the container of a step (libpod, with external=true), but stopping, killing and inspecting it answer
 * 404, and to remove it leaves its process.
 */
const STEP_GOES_ON =
  'Podman has no way to stop a step: one that runs goes on in the engine to its end, and is not kept'

/**
 * Builds with Docker's classic builder or Podman's. Closing the request cancels the build, but Podman lets the step
 * that runs go on to its end. What the steps of a failed build made is removed.
 *
 * @returns the image id that the engine said
 * @throws ImgctlError as EngineBuild.build
 */
export async function buildClassically(run: BuildRun): Promise<string | undefined> {
  const { engine, request, onEvent, signal } = run
  const context = new SentContext(request.files.tar(), onEvent)
  const buildSteps = new BuildSteps(new SecretMask(), onEvent)
  const steps = new ClassicSteps(buildSteps, onEvent)
  const failure = (message: string): ImgctlError => {
    steps.end('failed')
    return buildFailure(message, request, buildSteps.failed)
  }
  let isWordless = false
  const refusal = (status: number, message: string): ImgctlError => {
    isWordless = message === ''
    return failure(message || `the engine gave no reason (status ${status})`)
  }
  try {
    return await follow(run, context, steps, failure, refusal)
  } catch (error) {
    const isStoppedPodman = engine.product === 'podman' && signal?.aborted === true
    if (isStoppedPodman) onEvent({ kind: 'warning', message: STEP_GOES_ON })
    await removeStepImages(engine, steps.made, isStoppedPodman)
    if (context.failure !== undefined) throw context.failure
    throw (isWordless && (await linksOutFailure(request.files))) || error
  } finally {
    context.close()
  }
}

async function follow(
  { engine, request, signal }: BuildRun,
  context: SentContext,
  steps: ClassicSteps,
  failure: (message: string) => ImgctlError,
  refusal: (status: number, message: string) => ImgctlError,
): Promise<string | undefined> {
  const call = buildCall(request)
  const tls = engine.product === 'podman' && onlyLoopbackRegistries(request) ? { tlsVerify: 'false' } : {}
  const body = await engine.open({
    ...call,
    headers: { 'Content-Type': 'application/x-tar' },
    query: { ...call.query, dockerfile: request.dockerfile.name, version: '1', ...tls },
    registryConfig: await encodeRegistryConfig(baseRegistries(request), credentialsByHost(request)),
    ...{ body: context.body, signal },
    refusal,
  })
  let imageId: string | undefined
  for await (const event of readEvents(body, failure)) {
    steps.follow(event)
    imageId = stringAt(asFields(event['aux']), 'ID') ?? imageId
  }
  steps.end('done')
  return imageId
}
