import { ImgctlError, isCode } from '../errors/error.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { formatPlatform, matchesPlatform, type Platform } from '../oci/platform.ts'
import { parseReference, type Reference, tryParseReference } from '../oci/reference.ts'
import type { EngineImage } from '../ports/engine.ts'
import type { PulledImage, PullOptions } from '../ports/engine-intake.ts'
import type { EngineAuth, EngineLayerProgress } from '../ports/engine-push.ts'
import { compareApiVersions } from './api-version.ts'
import type { EngineCall, EngineConnection } from './connection.ts'
import { notFound, readImage } from './images.ts'
import { asFields, type Fields, stringAt, stringsAt } from './json-fields.ts'
import { readProgress } from './layer-progress.ts'
import { type EngineEvent, readEvents } from './ndjson.ts'
import { pullFailure } from './pull-failure.ts'
import { encodeAuth } from './registry-auth.ts'

/** The first API in which an image of several platforms can be looked at for one of them. */
const PLATFORM_INSPECT_API = '1.49'

/** As EnginePull.pullImage. */
export async function pullImage(
  engine: EngineConnection,
  text: string,
  auth: EngineAuth | undefined,
  options: PullOptions,
): Promise<PulledImage> {
  const reference = parseReference(text)
  const { platform, signal } = options
  const name = pulledName(reference)
  const before = await look(engine, name, platform, signal)
  const said = await transfer(engine, reference, auth, options)
  const after = await look(engine, name, platform, signal)
  if (after === undefined) throw wrongPlatform(text, platform) ?? notFound(text)(404)!
  if (platform && !matchesPlatform(after.image.platform, platform)) {
    throw wrongPlatform(text, platform, after.image.platform)!
  }
  const certain = reference.digest ?? said
  const digests = certain === undefined ? digestsOf(after.fields, reference) : [certain]
  if (digests.length === 0) {
    throw new ImgctlError('ENGINE_ERROR', `the engine pulled ${text} and names no digest`)
  }
  const { id } = after.image
  return { id, digests, isNew: before?.image.id !== id, platform: after.image.platform }
}

/** @returns the digest that the engine said; undefined when it is done and said none */
async function transfer(
  engine: EngineConnection,
  reference: Reference,
  auth: EngineAuth | undefined,
  { platform, secure, signal, onProgress }: PullOptions,
): Promise<Digest | undefined> {
  const failure = (message: string) => pullFailure(reference.domain, message)
  const isPodman = engine.product === 'podman'
  const body = await engine.open({
    ...(isPodman ? libpodCall(reference, platform, secure) : dockerCall(reference, platform)),
    registryAuth: encodeAuth(auth),
    signal,
    refusal: (_status, message) => failure(message),
  })
  let digest: Digest | undefined
  let done = false
  for await (const event of readEvents(body, failure)) {
    const status = stringAt(event, 'status') ?? ''
    const named = status.startsWith('Digest: ') ? status.slice('Digest: '.length) : ''
    if (isDigest(named)) digest = named
    done ||= isPodman ? stringAt(event, 'id') !== undefined : status.startsWith('Status: ')
    const progress = isPodman ? libpodProgress(event) : readProgress(event)
    if (progress) onProgress?.(progress)
  }
  if (done) return digest
  throw new ImgctlError(
    'ENGINE_ERROR',
    `the engine stopped pulling from ${reference.domain} without saying that it is done`,
    {
      retryable: true,
    },
  )
}

/** https://docs.docker.com/reference/api/engine/#tag/Image/operation/ImageCreate */
function dockerCall({ domain, path, tag, digest }: Reference, platform: Platform | undefined): EngineCall {
  return {
    method: 'POST',
    path: '/images/create',
    query: {
      fromImage: `${domain}/${path}`,
      tag: digest ?? tag ?? 'latest',
      ...(platform ? { platform: formatPlatform(platform) } : {}),
    },
  }
}

/**
 * Podman's own call: the one that is compatible with Docker always wants TLS.
 * https://docs.podman.io/en/latest/_static/api.html#tag/images/operation/ImagePullLibpod
 */
function libpodCall(reference: Reference, platform: Platform | undefined, secure = true): EngineCall {
  return {
    method: 'POST',
    path: '/libpod/images/pull',
    query: {
      reference: pulledName(reference),
      policy: 'always',
      ...(secure ? {} : { tlsVerify: 'false' }),
      ...(platform ? { OS: platform.os, Arch: platform.architecture } : {}),
      ...(platform?.variant ? { Variant: platform.variant } : {}),
    },
  }
}

/** `Copying blob sha256:...`: no bytes are told. */
function libpodProgress(event: EngineEvent): EngineLayerProgress | undefined {
  const blob = /^Copying blob sha256:([0-9a-f]{12})/.exec(stringAt(event, 'stream') ?? '')?.[1]
  return blob === undefined ? undefined : { layer: blob, status: 'Downloading' }
}

/** What the engine has under a name, for one platform; undefined when it has nothing. */
async function look(
  engine: EngineConnection,
  name: string,
  platform: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly image: EngineImage; readonly fields: Fields } | undefined> {
  const asks = platform && compareApiVersions(engine.apiVersion, PLATFORM_INSPECT_API) >= 0
  const query = asks ? { platform: JSON.stringify(platform) } : {}
  try {
    const path = `/images/${name}/json`
    const fields = asFields(
      await engine.json({ method: 'GET', path, query, signal, refusal: notFound(name) }),
    )
    return { image: readImage(fields), fields }
  } catch (error) {
    if (isCode(error, 'IMAGE_NOT_FOUND')) return undefined
    throw error
  }
}

function digestsOf(fields: Fields, { domain, path }: Reference): Digest[] {
  return stringsAt(fields, 'RepoDigests').flatMap((name) => {
    const found = tryParseReference(name)
    const isHere = !('rule' in found) && found.domain === domain && found.path === path
    return isHere && found.digest !== undefined ? [found.digest] : []
  })
}

/** With a digest the tag says nothing any more. */
function pulledName({ domain, path, tag, digest }: Reference): string {
  return `${domain}/${path}${digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`}`
}

function wrongPlatform(name: string, wanted: Platform | undefined, got?: Platform): ImgctlError | undefined {
  if (wanted === undefined) return undefined
  const is = got === undefined ? '' : `: it is ${formatPlatform(got)}`
  return new ImgctlError('ARCH_MISMATCH', `${name} is not for ${formatPlatform(wanted)}${is}`, {
    hint: 'leave --platform away, or ask for an image that was built for it',
  })
}
