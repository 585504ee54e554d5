import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import type { EngineAuth, EnginePush, EnginePushProgress } from '../ports/engine.ts'
import type { EngineConnection } from './connection.ts'
import { asFields, numberAt, stringAt } from './json-fields.ts'
import { splitTarget } from './names.ts'
import { type EngineEvent, readEvents } from './ndjson.ts'
import { pushFailure } from './push-failure.ts'

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
  { secure, signal, onProgress }: PushOptions,
): Promise<{ readonly digest: Digest }> {
  const { repository, tag } = splitTarget(target)
  const registry = repository.slice(0, repository.indexOf('/'))
  const body = await engine.open({
    method: 'POST',
    path: `/images/${repository}/push`,
    // Docker decides by its own list of insecure registries and ignores tlsVerify; Podman needs it.
    query: { tag, ...(secure === false ? { tlsVerify: 'false' } : {}) },
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
 * The value of X-Registry-Auth: base64url with padding, which Go's decoder wants; `{}` for no credentials.
 * https://docs.docker.com/reference/api/engine/#section/Authentication
 */
export function encodeAuth(auth: EngineAuth | undefined): string {
  const { username, password, registry } = auth ?? {}
  const json = JSON.stringify(auth ? { username, password, serveraddress: registry } : {})
  return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
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

function readProgress(event: EngineEvent): EnginePushProgress | undefined {
  const layer = stringAt(event, 'id')
  const status = stringAt(event, 'status')
  if (layer === undefined || status === undefined) return undefined
  const detail = asFields(event['progressDetail'])
  const [current, total] = [numberAt(detail, 'current'), numberAt(detail, 'total')]
  return {
    layer: makeVisible(layer),
    status: makeVisible(status),
    ...(current === undefined ? {} : { current }),
    ...(total === undefined ? {} : { total }),
  }
}
