import { ImgctlError } from '../errors/error.ts'
import type { EngineConnection } from './connection.ts'
import { allTags, inspectImage, notFound } from './images.ts'
import { engineName, splitTarget, taggedReference } from './names.ts'

/** Clean-up runs also after Ctrl-C: an engine that hangs must not hold the user. */
export const UNTAG_TIMEOUT_MS = 10_000

/**
 * Gives an image one more tag. The image must have a tag already: removing the only tag of an image deletes it, so
 * an image without one could not be left as it was.
 *
 * @throws ImgctlError IMAGE_NOT_FOUND; UNSUPPORTED for an image without a tag; NAME_INVALID
 */
export async function tagImage(
  engine: EngineConnection,
  source: string,
  target: string,
  signal?: AbortSignal,
  known?: readonly string[],
): Promise<void> {
  const { repository, tag } = splitTarget(target)
  const tags = known ?? (await inspectImage(engine, source, signal)).repoTags
  if (!tags.some((name) => taggedReference(name))) {
    throw new ImgctlError(
      'UNSUPPORTED',
      `the image ${source} has no tag, so the engine cannot push it for us`,
      {
        hint: 'push past the engine (--via direct), or give it a tag: docker tag',
      },
    )
  }
  await engine.send({
    method: 'POST',
    path: `/images/${engineName(source)}/tag`,
    query: { repo: repository, tag },
    signal,
    refusal: notFound(source),
  })
}

/** Removes one tag: not forced, and no parent image with it. A tag that is gone is fine. */
export async function untagImage(engine: EngineConnection, target: string): Promise<void> {
  const { repository, tag } = splitTarget(target)
  try {
    await engine.send({
      method: 'DELETE',
      path: `/images/${repository}:${tag}`,
      query: { force: 'false', noprune: 'true' },
      signal: AbortSignal.timeout(UNTAG_TIMEOUT_MS),
      refusal: notFound(target),
    })
  } catch (error) {
    if (!(error instanceof ImgctlError) || error.code !== 'IMAGE_NOT_FOUND') throw error
  }
}

/** The engine's tags whose tag part starts with `prefix`, as `repository:tag`. */
export async function listTags(
  engine: EngineConnection,
  prefix: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const names = await allTags(engine, signal)
  return names.filter((name) => taggedReference(name)?.tag?.startsWith(prefix))
}
