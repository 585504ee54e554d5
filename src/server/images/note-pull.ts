import type { ServerContext } from '../context.ts'

/** What is pulled all the time must not mean a write per pull. */
const LAST_USED_RESOLUTION_MS = 60_000

export interface Pull {
  readonly organizationId: string
  /** Path without the organization's slug. */
  readonly repository: string
  readonly reference: { readonly tag: string } | { readonly digest: string }
}

/**
 * Writes down that an image was pulled; by digest, every image of the repository that has it. The pull itself does
 * not depend on it: never rejects.
 */
export async function notePull(ctx: Pick<ServerContext, 'db' | 'log' | 'now'>, pull: Pull): Promise<void> {
  const { organizationId, repository, reference } = pull
  const now = ctx.now()
  const images = ctx.db
    .updateTable('images')
    .set({ lastUsedAt: now })
    .where('organizationId', '=', organizationId)
    .where('repository', '=', repository)
    .where(({ eb, or }) =>
      or([eb('lastUsedAt', 'is', null), eb('lastUsedAt', '<=', now - LAST_USED_RESOLUTION_MS)]),
    )
  const pulled =
    'tag' in reference
      ? images.where('name', '=', `${repository}:${reference.tag}`)
      : images.where('digest', '=', reference.digest)
  try {
    await pulled.execute()
  } catch (error) {
    ctx.log.warn({ err: error }, 'the time of a pull is not written down')
  }
}
