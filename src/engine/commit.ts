import { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import type { Digest } from '../oci/digest.ts'
import { parseGivenName } from '../oci/given-name.ts'
import type { CommitRequest } from '../ports/engine-intake.ts'
import { changeFailure } from './change-failure.ts'
import type { EngineConnection } from './connection.ts'
import { readDigest } from './images.ts'
import { asFields, stringAt } from './json-fields.ts'

/** As EngineCommit.commitContainer. https://docs.docker.com/reference/api/engine/#tag/Image/operation/ImageCommit */
export async function commitContainer(
  engine: EngineConnection,
  { container, target, author, message, changes, pause }: CommitRequest,
  signal?: AbortSignal,
): Promise<Digest> {
  const named = target === undefined ? undefined : parseGivenName(target)
  const made = asFields(
    await engine.json({
      method: 'POST',
      path: '/commit',
      query: {
        container,
        ...(named ? { repo: named.repository, tag: named.tag } : {}),
        ...(message === undefined ? {} : { comment: message }),
        ...(author === undefined ? {} : { author }),
        pause: String(pause),
        changes,
      },
      // Podman wants the config that the image starts with, and takes an empty one.
      body: Readable.from([Buffer.from('{}')]),
      headers: { 'Content-Type': 'application/json' },
      signal,
      refusal: (status, text) => commitFailure(container, status, text),
    }),
  )
  return readDigest(stringAt(made, 'Id'))
}

function commitFailure(container: string, status: number, text: string): ImgctlError | undefined {
  if (status === 404) {
    return new ImgctlError('NOT_FOUND', `the engine has no container ${makeVisible(container)}`, {
      hint: 'list them: docker ps --all',
      status,
    })
  }
  if (status === 409)
    return new ImgctlError('CONFLICT', `${container} cannot be committed now: ${text}`, { status })
  return changeFailure(text)
}
