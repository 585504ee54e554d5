import { ImgctlError, isCode } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import { familiarReference, parseReference, repositoryOf } from '../../oci/reference.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EngineContainers, EngineRemoval, RemovedImage } from '../../ports/engine-catalog.ts'
import { inUse, usersOf } from './image-users.ts'

/** What is to go of one image: all of `names`, or the image itself when it has none. */
export interface Removal {
  readonly id: Digest
  readonly names: readonly string[]
  /** The image is to go as a whole: it may be asked for by its id. */
  readonly isWhole: boolean
  /** With the unnamed images that it was made from and that nothing else needs. */
  readonly parents: boolean
}

export interface RemovalOutcome extends RemovedImage {
  readonly error: ImgctlError | undefined
}

export type RemovingEngine = EngineImages & EngineRemoval & EngineContainers

/**
 * Removes what was planned and nothing else: a name that is another image's by now stays, and so does an image that
 * was given a name since. Nothing is forced.
 *
 * @returns what went, also when not all did. Only an abort is thrown.
 */
export async function removePlanned(
  engine: RemovingEngine,
  removal: Removal,
  signal: AbortSignal,
): Promise<RemovalOutcome> {
  const untagged: string[] = []
  const deleted: Digest[] = []
  try {
    if (removal.isWhole) await assertNoNewName(engine, removal, signal)
    for (const reference of references(removal)) {
      if (deleted.includes(removal.id)) break
      if (reference !== removal.id) await assertSame(engine, reference, removal.id, signal)
      const removed = await engine.removeImage(reference, { parents: removal.parents }, signal)
      untagged.push(...removed.untagged)
      deleted.push(...removed.deleted)
    }
    return { untagged, deleted, error: undefined }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof ImgctlError)) throw error
    return { untagged, deleted, error: await explained(engine, removal, error, signal) }
  }
}

/** By its id, the engine itself refuses to delete an image that has several names by now. */
function references({ id, names, isWhole }: Removal): readonly string[] {
  const tags = names.filter((name) => !name.includes('@'))
  const repositories = new Set(names.map(repositoryOf))
  return isWhole && tags.length <= 1 && repositories.size <= 1 ? [id] : names
}

async function assertNoNewName(
  engine: EngineImages,
  { id, names }: Removal,
  signal: AbortSignal,
): Promise<void> {
  const { repoTags } = await engine.inspectImage(id, signal)
  const added = repoTags.map(familiarForm).filter((tag) => !tag.includes('@') && !names.includes(tag))
  if (added.length === 0) return
  throw new ImgctlError('PRECONDITION_FAILED', `the image was named ${added.join(', ')} meanwhile: it stays`)
}

function familiarForm(name: string): string {
  return familiarReference(parseReference(name))
}

async function assertSame(
  engine: EngineImages,
  name: string,
  planned: Digest,
  signal: AbortSignal,
): Promise<void> {
  const { id } = await engine.inspectImage(name, signal)
  if (id === planned) return
  throw new ImgctlError('PRECONDITION_FAILED', `${name} is another image by now: it stays`, {
    hint: 'look at it again, then delete it once more',
  })
}

/** A conflict with the containers that are the reason for it. */
async function explained(
  engine: EngineContainers,
  { id, names }: Removal,
  error: ImgctlError,
  signal: AbortSignal,
): Promise<ImgctlError> {
  if (!isCode(error, 'CONFLICT')) return error
  const users = usersOf(await engine.containers(signal), id)
  return users.length === 0 ? error : inUse(names[0] ?? id, id, users)
}
