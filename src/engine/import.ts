import type { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { parseGivenName } from '../oci/given-name.ts'
import { formatPlatform } from '../oci/platform.ts'
import type { ImportRequest } from '../ports/engine-intake.ts'
import { changeFailure } from './change-failure.ts'
import type { EngineConnection } from './connection.ts'
import { stringAt } from './json-fields.ts'
import { readEvents } from './ndjson.ts'

/** Go archive/tar and io, as Docker and Podman wrap them. */
const NOT_A_TAR =
  /invalid tar header|unexpected EOF|processing tar file|archive\/tar|no such file or directory/
const DISK_FULL = /no space left on device/

/** As EngineImport.importImage. */
export async function importImage(
  engine: EngineConnection,
  { source, target, platform, changes, message }: ImportRequest,
  signal?: AbortSignal,
): Promise<Digest> {
  const stream = source instanceof URL ? undefined : source
  const named = target === undefined ? undefined : parseGivenName(target)
  const failure = (text: string) => importFailure(text, source)
  try {
    const body = await engine.open({
      method: 'POST',
      path: '/images/create',
      query: {
        fromSrc: source instanceof URL ? source.href : '-',
        // In one part: Podman does not look at `tag` here.
        ...(named ? { repo: `${named.repository}:${named.tag}` } : {}),
        ...(message === undefined ? {} : { message }),
        ...(platform ? { platform: formatPlatform(platform) } : {}),
        changes,
      },
      ...(stream ? { body: stream } : {}),
      signal,
      refusal: (_status, text) => failure(text),
    })
    let id: Digest | undefined
    for await (const event of readEvents(body, failure)) {
      const status = stringAt(event, 'status')
      if (status !== undefined && isDigest(status)) id = status
    }
    if (id !== undefined) return id
  } catch (error) {
    throw sourceError(stream) ?? error
  } finally {
    stream?.destroy()
  }
  throw new ImgctlError('ENGINE_ERROR', 'the engine ended the import without saying what it made')
}

/** A source that cannot be read is why the engine got half of it. */
function sourceError(stream: Readable | undefined): Error | undefined {
  return stream?.errored ?? undefined
}

function importFailure(text: string, source: Readable | URL): ImgctlError {
  const shown = makeVisible(text)
  if (DISK_FULL.test(text)) return new ImgctlError('DISK_FULL', `the engine could not import it: ${shown}`)
  const change = changeFailure(text)
  if (change) return change
  if (source instanceof URL || !NOT_A_TAR.test(text)) {
    return new ImgctlError('ENGINE_ERROR', `the engine could not import it: ${shown}`)
  }
  return new ImgctlError('ARCHIVE_INVALID', `the engine cannot read it as a tar: ${shown}`, {
    hint: 'import takes a tar of a file system (docker export); what docker save wrote is for image load',
  })
}
