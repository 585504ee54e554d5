import { ImgctlError } from '../errors/error.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import type { EngineAuth, EnginePush } from '../ports/engine-push.ts'
import type { EngineConnection } from './connection.ts'
import { asFields, stringAt } from './json-fields.ts'
import { readProgress } from './layer-progress.ts'
import { splitTarget } from './names.ts'
import { type EngineEvent, readEvents } from './ndjson.ts'
import { platformQuery } from './platforms.ts'
import { pushFailure } from './push-failure.ts'
import { encodeAuth } from './registry-auth.ts'

export type PushOptions = Parameters<EnginePush['pushImage']>[2]

/**
 * Lets the engine push a tag and waits for the proof that it did: a digest. A stream that just ends is a failure.
 *
 * @throws ImgctlError as EnginePush.pushImage
 */
export async function pushImage(
  engine: EngineConnection,
  target: string,
  auth: EngineAuth | undefined,
  { secure, platform, signal, onProgress }: PushOptions,
): Promise<{ readonly digest: Digest }> {
  const { repository, tag } = splitTarget(target)
  const registry = repository.slice(0, repository.indexOf('/'))
  const body = await engine.open({
    method: 'POST',
    path: `/images/${repository}/push`,
    // Docker decides by its own list of insecure registries and ignores tlsVerify; Podman needs it.
    query: {
      tag,
      ...(secure === false ? { tlsVerify: 'false' } : {}),
      ...platformQuery(engine, 'push', platform),
    },
    registryAuth: encodeAuth(auth),
    signal,
    refusal: (_status, message) => pushFailure(registry, message),
  })
  let digest: Digest | undefined
  for await (const event of readEvents(body, (message) => pushFailure(registry, message))) {
    digest = pushedDigest(event, tag) ?? digest
    const progress = readProgress(event)
    if (progress) onProgress?.(progress)
  }
  if (digest !== undefined) return { digest }
  throw new ImgctlError(
    'ENGINE_ERROR',
    `the engine stopped pushing to ${registry} without saying that it is done`,
    {
      retryable: true,
    },
  )
}

/**
 * The digest of a push that is done. Docker's classic store says it as `aux`; the containerd store and Podman only
 * in the last status, `TAG: digest: DIGEST size: N`; some Podman versions say both.
 */
function pushedDigest(event: EngineEvent, tag: string): Digest | undefined {
  const aux = stringAt(asFields(event['aux']), 'Digest')
  if (aux !== undefined && isDigest(aux)) return aux
  const status = stringAt(event, 'status')
  const prefix = `${tag}: digest: `
  const digest = status?.startsWith(prefix) ? status.slice(prefix.length).split(' ')[0] : undefined
  return digest !== undefined && isDigest(digest) ? digest : undefined
}
