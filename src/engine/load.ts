import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { isDigest } from '../oci/digest.ts'
import type { LoadedName } from '../ports/engine-transfer.ts'
import type { EngineConnection } from './connection.ts'
import { stringAt } from './json-fields.ts'
import { familiarTag } from './names.ts'
import { readEvents } from './ndjson.ts'
import { PacedBody } from './paced-body.ts'

const DISK_FULL = /no space left on device/
/** Docker's lines; Podman names several images in one. */
const LOADED = /^Loaded image(?: ID|\(s\))?: (.+)$/

/**
 * As EngineLoad.loadImages.
 * https://docs.docker.com/reference/api/engine/#tag/Image/operation/ImageLoad
 */
export async function loadImages(
  engine: EngineConnection,
  tar: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<LoadedName[]> {
  const loaded: LoadedName[] = []
  const sent = new PacedBody(tar)
  try {
    const body = await engine.open({
      method: 'POST',
      path: '/images/load',
      // The progress of the engine is not that of the bytes: we count what it takes.
      query: { quiet: 'true' },
      body: sent,
      signal,
      refusal: (_status, message) => loadFailure(message),
    })
    for await (const event of readEvents(body, loadFailure)) {
      for (const line of (stringAt(event, 'stream') ?? '').split('\n')) loaded.push(...readLine(line))
    }
  } catch (error) {
    // A tar that could not be read is why the engine got half of it.
    throw sent.sourceError ?? error
  } finally {
    sent.destroy()
  }
  if (loaded.length > 0) return loaded
  throw new ImgctlError('ENGINE_ERROR', 'the engine ended the load without naming an image', {
    retryable: true,
  })
}

function readLine(line: string): LoadedName[] {
  const names = LOADED.exec(line.trim())?.[1]?.split(',') ?? []
  return names.flatMap((name): LoadedName[] => {
    if (isDigest(name)) return [{ id: name }]
    if (/^[0-9a-f]{64}$/.test(name)) return [{ id: `sha256:${name}` }]
    const familiar = familiarTag(name)
    return familiar === undefined ? [] : [{ name: familiar }]
  })
}

function loadFailure(text: string): ImgctlError {
  const shown = makeVisible(text)
  if (DISK_FULL.test(text)) {
    return new ImgctlError('DISK_FULL', `the engine's disk is full: ${shown}`, {
      hint: 'make room in the engine: docker system df, docker image prune',
    })
  }
  return new ImgctlError('ENGINE_ERROR', `the engine could not load it: ${shown}`)
}
