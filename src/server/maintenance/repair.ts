import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { ImgctlError } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Finding } from '../../ports/server-data.ts'
import { BLOBS_FOLDER, blobPath } from '../content/blob-store.ts'
import { type ImageAt, transition } from '../images/states.ts'
import type { Db, Trx } from '../store/database.ts'

/**
 * A disk that is not mounted must not mean that every blob on it is lost: each start of a server makes this folder.
 *
 * @throws ImgctlError FILE_NOT_FOUND
 */
export async function requireBlobsFolder(dataDir: string): Promise<void> {
  const folder = join(dataDir, BLOBS_FOLDER, 'sha256')
  await access(folder).catch((cause: unknown) => {
    throw new ImgctlError('FILE_NOT_FOUND', `the folder of the blobs is not there: ${folder}`, {
      hint: 'mount its disk; only if every blob is lost for good, make the folder and repair again',
      cause,
    })
  })
}

/**
 * Forgets the blobs that a check found missing or damaged. As long as the server says that it has them no client
 * sends them again; once it does not, the next push of an image that needs them mends it. Manifests and tags stay.
 * Images that need them go through their states anew: what was fetched is fetched again, what was pushed says what
 * it lacks. Damaged bytes are gone with this: they are not what the digest says.
 *
 * @returns how many blobs were forgotten. The caller holds the folder's lock.
 */
export async function forgetDamagedBlobs(
  db: Db,
  dataDir: string,
  findings: readonly Finding[],
  now: number,
): Promise<number> {
  const damaged = findings.filter(({ code }) => code === 'BLOB_MISSING' || code === 'BLOB_DAMAGED')
  for (const { subject: digest } of damaged) {
    // The rows first: a row must never promise a file that is gone.
    await db.transaction().execute(async (trx) => {
      for (const image of await activeImagesWith(trx, digest))
        await transition(trx, image, 'pending', { now })
      await trx.deleteFrom('blob_links').where('digest', '=', digest).execute()
      await trx.deleteFrom('blobs').where('digest', '=', digest).execute()
    })
    await rm(blobPath(dataDir, digest as Digest), { force: true })
  }
  return damaged.length
}

/** Images whose manifest, or a manifest of whose index, has the blob. */
async function activeImagesWith(trx: Trx, digest: string): Promise<ImageAt[]> {
  const { rows } = await sql<ImageAt>`
    WITH RECURSIVE above("repositoryId", digest) AS (
      SELECT "repositoryId", "manifestDigest" FROM manifest_references WHERE digest = ${digest}
      UNION
      SELECT r."repositoryId", r."manifestDigest" FROM above
        JOIN manifest_references r ON r."repositoryId" = above."repositoryId" AND r.digest = above.digest)
    SELECT DISTINCT i.id, i.state, i.digest FROM above JOIN repositories p ON p.id = above."repositoryId"
      JOIN images i ON i."organizationId" = p."organizationId" AND i.repository = p.path AND i.digest = above.digest
      WHERE i.state = 'active'
  `.execute(trx)
  return rows
}
