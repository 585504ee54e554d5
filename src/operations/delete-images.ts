import type { Image } from '../contract/image.ts'
import { ImgctlError, isCode } from '../errors/error.ts'
import { mapLimit } from '../internal/concurrency.ts'
import type { ServerImages } from '../ports/server.ts'
import { listImages } from './list-images.ts'

/** One image that will be deleted, as it was when the plan was made. */
export interface PlannedDelete {
  readonly id: string
  readonly name: string
  readonly digest: string | null
  readonly sizeBytes: number | null
  /** Names outside the plan that stand for the same digest: its content stays. */
  readonly sharedWith: readonly string[]
}

export interface DeletePlan {
  readonly images: readonly PlannedDelete[]
  /** Images that `all` leaves out: the server's general ones, and those being removed already. */
  readonly skipped: readonly string[]
}

export interface DeleteOutcome {
  readonly planned: PlannedDelete
  /** Bytes that no other image holds; 0 when it failed. */
  readonly freedBytes: number
  readonly error: ImgctlError | undefined
}

/** Lookups at once: more would only queue at the server. */
const LOOKUPS_AT_ONCE = 4

/**
 * What a delete would do. Nothing is changed.
 *
 * @param targets names or ids, or `all`
 * @throws ImgctlError IMAGE_NOT_FOUND when any of them is not there
 */
export async function planDelete(
  server: Pick<ServerImages, 'image' | 'images'>,
  targets: readonly string[] | 'all',
  signal: AbortSignal,
): Promise<DeletePlan> {
  const chosen = targets === 'all' ? [] : await findImages(server, targets, signal)
  const present: Image[] = []
  for await (const image of listImages(server, {}, signal)) present.push(image)
  const isFree = ({ general, state }: Image) => !general && state !== 'removing'
  const images = targets === 'all' ? present.filter(isFree) : chosen
  const planned = new Set(images.map(({ id }) => id))
  const others = present.filter(({ id }) => !planned.has(id))
  return {
    images: images.map(({ id, name, digest, sizeBytes }) => ({
      id,
      name,
      digest,
      sizeBytes,
      sharedWith: others
        .filter((other) => digest !== null && other.digest === digest)
        .map(({ name }) => name),
    })),
    skipped: targets === 'all' ? others.map(({ name }) => name) : [],
  }
}

/**
 * Deletes exactly what was planned, one after the other: an image that was pushed again since then stays. Goes on
 * after a failure, not after an abort.
 */
export async function* deletePlanned(
  server: Pick<ServerImages, 'deleteImage'>,
  images: readonly PlannedDelete[],
  signal: AbortSignal,
): AsyncGenerator<DeleteOutcome, void, undefined> {
  for (const planned of images) {
    try {
      const { freedBytes } = await server.deleteImage(planned.id, planned.digest ?? undefined, signal)
      yield { planned, freedBytes, error: undefined }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ImgctlError)) throw error
      yield { planned, freedBytes: 0, error }
    }
  }
}

/** Each image once, however often and by whichever name or id it was given. */
async function findImages(
  server: Pick<ServerImages, 'image'>,
  targets: readonly string[],
  signal: AbortSignal,
): Promise<Image[]> {
  const found = await mapLimit([...new Set(targets)], LOOKUPS_AT_ONCE, async (target) => {
    try {
      return await server.image(target, signal)
    } catch (error) {
      if (isCode(error, 'IMAGE_NOT_FOUND', 'NOT_FOUND')) return target
      throw error
    }
  })
  const missing = found.filter((image) => typeof image === 'string')
  if (missing.length > 0) throw notFound(missing, targets.length)
  const images = found.filter((image) => typeof image !== 'string')
  return [...new Map(images.map((image) => [image.id, image])).values()]
}

function notFound(missing: readonly string[], asked: number): ImgctlError {
  const names = missing.map((name) => JSON.stringify(name)).join(', ')
  const nothing = asked > missing.length ? ' (nothing was deleted)' : ''
  return new ImgctlError('IMAGE_NOT_FOUND', `there is no image ${names}${nothing}`, {
    hint: 'imgctl image list shows the names',
  })
}
