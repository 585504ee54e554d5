import { createHash } from 'node:crypto'
import { ImgctlError } from '../errors/error.ts'
import { type Digest, digestAlgorithm, digestBytes, isDigest } from '../oci/digest.ts'
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts'
import { ACCEPT_MANIFESTS } from '../oci/media-types.ts'
import { TAG } from '../oci/reference.ts'
import type { ManifestContent, ManifestReader, ManifestWriter } from '../ports/registry.ts'
import type { Connection } from './connection.ts'
import { answerError, isHtml, protocolError, type RegistryError } from './errors.ts'
import { type HttpAnswer, readBody } from './http.ts'
import { memoryBody } from './request-body.ts'
import { asRetryable } from './upload-failures.ts'

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests and below */
export class Manifests implements ManifestReader, ManifestWriter {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async readManifest(reference: Digest | string, signal?: AbortSignal): Promise<ManifestContent> {
    return this.#read('GET', reference, signal, async (answer) => {
      if (answer.status !== 200) throw await answerError(answer, 'IMAGE_NOT_FOUND')
      return content(answer, reference)
    })
  }

  async manifestDigest(reference: Digest | string, signal?: AbortSignal): Promise<Digest | undefined> {
    const found = await this.#read('HEAD', reference, signal, async (answer) => {
      if (answer.status === 404 && !isHtml(answer)) return undefined
      if (answer.status !== 200) throw await answerError(answer, 'IMAGE_NOT_FOUND')
      return { digest: statedDigest(answer) }
    })
    if (found === undefined) return undefined
    return found.digest ?? (await this.readManifest(reference, signal)).digest
  }

  async writeManifest(
    reference: Digest | string,
    mediaType: string,
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Digest> {
    const digest = isDigest(reference) ? digestAs(reference, bytes) : digestBytes(bytes)
    if (isDigest(reference) && reference !== digest) {
      throw new ImgctlError('DIGEST_MISMATCH', `the manifest's digest is ${digest}, not ${reference}`)
    }
    const put = {
      method: 'PUT',
      url: this.#url(reference),
      access: { action: 'push' },
      headers: { 'content-type': mediaType },
      body: memoryBody(bytes),
      commits: true,
      signal,
    } as const
    const stated = await this.#connection.retried(put, async (answer) => {
      if (answer.status !== 201 && answer.status !== 200) throw refusedManifest(await answerError(answer))
      await answer.discard()
      return statedDigest(answer)
    })
    const confirmed = stated ?? (await this.manifestDigest(reference, signal))
    if (confirmed !== undefined && isSameContent(confirmed, digest, bytes)) return digest
    throw new ImgctlError(
      'DIGEST_MISMATCH',
      `registry ${put.url.host} confirmed ${confirmed ?? 'no manifest'} where ${digest} was sent`,
    )
  }

  async deleteManifest(reference: Digest | string, signal?: AbortSignal): Promise<void> {
    const wanted = {
      method: 'DELETE',
      url: this.#url(reference),
      access: { action: 'delete' },
      signal,
    } as const
    await this.#connection.retried(wanted, async (answer) => {
      const gone = answer.status === 404 && !isHtml(answer)
      if (!gone && ![200, 202, 204].includes(answer.status)) throw await deletionError(answer, reference)
      await answer.discard()
    })
  }

  #read<T>(
    method: 'GET' | 'HEAD',
    reference: string,
    signal: AbortSignal | undefined,
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> {
    const headers = { accept: ACCEPT_MANIFESTS }
    const url = this.#url(reference)
    return this.#connection.retried({ method, url, access: { action: 'pull' }, headers, signal }, read)
  }

  #url(reference: string): URL {
    if (!isDigest(reference) && !TAG.test(reference)) {
      throw new ImgctlError('NAME_INVALID', `${JSON.stringify(reference)} is neither a tag nor a digest`)
    }
    return this.#connection.url(`manifests/${reference}`)
  }
}

async function content(answer: HttpAnswer, reference: string): Promise<ManifestContent> {
  const bytes = await readBody(answer, MAX_MANIFEST_BYTES)
  if (bytes === undefined) {
    throw protocolError(answer, `sent a manifest of more than ${MAX_MANIFEST_BYTES} bytes`, 'TOO_LARGE')
  }
  const stated = statedDigest(answer)
  for (const expected of [isDigest(reference) ? reference : undefined, stated]) {
    if (expected === undefined || digestAs(expected, bytes) === expected) continue
    throw protocolError(answer, `sent a manifest that is not ${expected}`, 'DIGEST_MISMATCH')
  }
  const mediaType = (answer.header('content-type') ?? '').replace(/;.*$/s, '').trim()
  const digest = isDigest(reference) ? reference : (stated ?? digestBytes(bytes))
  return { digest, mediaType, bytes }
}

/**
 * The digest is that of the bytes. CNCF distribution says otherwise while another push of the same image is writing its
 * links, which it does not do in one step.
 */
function refusedManifest(error: RegistryError): ImgctlError {
  return error.specCode === 'DIGEST_INVALID' ? asRetryable(error) : error
}

/** Registries before the OCI specification answer 400 or 405 to the deletion of a tag. */
async function deletionError(answer: HttpAnswer, reference: string): Promise<ImgctlError> {
  const error = await answerError(answer)
  const isUnsupported = answer.status === 405 || (answer.status === 400 && !isDigest(reference))
  if (!isUnsupported) return error
  const hint = isDigest(reference)
    ? 'deletion is switched off at this registry'
    : 'this registry deletes by digest only, and with the digest every tag of it'
  return new ImgctlError('UNSUPPORTED', error.message, { hint, status: answer.status, cause: error })
}

function statedDigest(answer: HttpAnswer): Digest | undefined {
  const stated = answer.header('docker-content-digest')
  return stated !== undefined && isDigest(stated) ? stated : undefined
}

/** The registry may name the content by another algorithm than ours. */
function isSameContent(confirmed: Digest, digest: Digest, bytes: Uint8Array): boolean {
  return confirmed === digest || digestAs(confirmed, bytes) === confirmed
}

function digestAs(like: Digest, bytes: Uint8Array): Digest {
  const algorithm = digestAlgorithm(like)
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}
