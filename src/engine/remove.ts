import { ImgctlError } from '../errors/error.ts'
import type { RemovedImage } from '../ports/engine-catalog.ts'
import { familiarDigest } from './catalog.ts'
import type { EngineConnection } from './connection.ts'
import { notFound, readDigest } from './images.ts'
import { asFields, stringAt } from './json-fields.ts'
import { engineName, familiarTag } from './names.ts'

/** As EngineRemoval.removeImage. */
export async function removeImage(
  engine: EngineConnection,
  reference: string,
  { parents }: { readonly parents: boolean },
  signal?: AbortSignal,
): Promise<RemovedImage> {
  const answer = await engine.json({
    method: 'DELETE',
    path: `/images/${engineName(reference)}`,
    query: { force: 'false', noprune: String(!parents) },
    signal,
    refusal: (status, message) => notFound(reference)(status) ?? conflict(reference, status, message),
  })
  const records = Array.isArray(answer) ? answer.map(asFields) : []
  return {
    untagged: records.flatMap((record) => familiarName(stringAt(record, 'Untagged')) ?? []),
    deleted: records.flatMap((record) => {
      const id = stringAt(record, 'Deleted')
      return id === undefined ? [] : [readDigest(id)]
    }),
  }
}

function familiarName(name: string | undefined): string | undefined {
  return name === undefined ? undefined : (familiarTag(name) ?? familiarDigest(name) ?? name)
}

function conflict(reference: string, status: number, message: string): ImgctlError | undefined {
  if (status !== 409) return undefined
  return new ImgctlError('CONFLICT', `the engine keeps ${reference}: ${message}`, { status })
}
