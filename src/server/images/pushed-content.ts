import { ImgctlError } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ImageName } from '../../oci/image-name.ts'
import { findManifest } from '../content/manifests.ts'
import { findRepository } from '../content/repositories.ts'
import type { Trx } from '../store/database.ts'

/** What a name is to mean, and the repository that holds it. */
export interface PushedManifest {
  readonly repositoryId: number
  readonly digest: string
}

/**
 * The pushed manifest that is to get the name: the one asked for, else what the tag of that name points to.
 *
 * @throws ImgctlError NOT_FOUND when it is not in the organization's repository of that name
 */
export async function findPushed(
  trx: Trx,
  organizationId: string,
  { repository, tag }: ImageName,
  wanted: Digest | undefined,
): Promise<PushedManifest> {
  const repositoryId = await findRepository(trx, organizationId, repository)
  const reference = wanted ? { digest: wanted } : { tag }
  const manifest = repositoryId === undefined ? undefined : await findManifest(trx, repositoryId, reference)
  if (repositoryId !== undefined && manifest) return { repositoryId, digest: manifest.digest }
  const what = wanted ? `no manifest ${wanted}` : `nothing with the tag ${tag}`
  throw new ImgctlError('NOT_FOUND', `${what} was pushed to the repository ${repository}`, {
    hint: `push it first: imgctl image push IMAGE --name ${repository}:${tag}`,
  })
}
