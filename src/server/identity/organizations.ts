import { randomUUID } from 'node:crypto'
import { ImgctlError } from '../../errors/error.ts'
import { PATH_COMPONENT } from '../../oci/reference.ts'
import type { OrganizationRecord } from '../../ports/server-users.ts'
import type { Db } from '../store/database.ts'
import { isUniqueViolation } from '../store/failure.ts'

/** It is part of every reference of the organization's images. */
const MAX_SLUG_LENGTH = 63

/** All organizations, the oldest first. */
export async function listOrganizations(db: Db): Promise<OrganizationRecord[]> {
  const rows = await db
    .selectFrom('organizations')
    .selectAll()
    .select(({ selectFrom }) => [
      selectFrom('memberships')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('memberships.organizationId', '=', 'organizations.id')
        .as('users'),
      selectFrom('images')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('images.organizationId', '=', 'organizations.id')
        .as('images'),
    ])
    .orderBy('createdAt')
    .orderBy('slug')
    .execute()
  return rows.map(({ slug, id, name, users, images, storedBytes, storageQuota, createdAt }) => ({
    slug,
    id,
    name,
    users: users ?? 0,
    images: images ?? 0,
    storedBytes,
    storageQuota,
    createdAt: new Date(createdAt).toISOString(),
  }))
}

/** @throws ImgctlError NOT_FOUND */
export async function findOrganization(db: Db, slug: string): Promise<OrganizationRecord> {
  const found = (await listOrganizations(db)).find((each) => each.slug === slug)
  if (found) return found
  throw new ImgctlError('NOT_FOUND', `there is no organization ${JSON.stringify(slug)}`, {
    hint: 'imgctl serve organization list shows them',
  })
}

/** @param bytes null: what the server's settings say of all. @throws ImgctlError NOT_FOUND */
export async function setStorageQuota(
  db: Db,
  slug: string,
  bytes: number | null,
): Promise<OrganizationRecord> {
  const { id } = await findOrganization(db, slug)
  await db.updateTable('organizations').set({ storageQuota: bytes }).where('id', '=', id).execute()
  return findOrganization(db, slug)
}

/** @throws ImgctlError NAME_INVALID, CONFLICT */
export async function createOrganization(
  db: Db,
  slug: string,
  name: string,
  facts: { readonly imageQuota: number; readonly now: number },
): Promise<void> {
  if (!PATH_COMPONENT.test(slug) || slug.length > MAX_SLUG_LENGTH) {
    throw new ImgctlError('NAME_INVALID', `${JSON.stringify(slug)} cannot be an organization`, {
      hint: 'it is part of references: lower-case letters and digits, with single . _ or - between them',
    })
  }
  const row = { id: randomUUID(), slug, name, imageQuota: facts.imageQuota, createdAt: facts.now }
  try {
    await db.insertInto('organizations').values(row).execute()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new ImgctlError('CONFLICT', `there is an organization ${slug} already`)
  }
}
