import { randomUUID } from 'node:crypto'
import type { ImageSource } from '../../contract/image.ts'
import { formatImageName, type ImageName } from '../../oci/image-name.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { recordEvent } from './events.ts'
import { assertRoomForImage } from './quota.ts'
import { stateColumns } from './states.ts'

export interface NewImage {
  readonly organizationId: string
  readonly name: ImageName
  readonly source: ImageSource
  readonly digest: string | null
  readonly actor: string | null
  readonly now: number
  readonly entrypoint?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly visibility?: 'private' | 'public'
  readonly description?: string
}

/**
 * Adds an image in state `pending`. The fields are copied one by one: nothing that a client sent beside them
 * reaches the row.
 *
 * @throws ImgctlError QUOTA_EXCEEDED
 */
export async function insertImage(trx: Trx, image: NewImage): Promise<ImageTable> {
  await assertRoomForImage(trx, image.organizationId)
  const row: ImageTable = {
    id: randomUUID(),
    organizationId: image.organizationId,
    name: formatImageName(image.name),
    repository: image.name.repository,
    tag: image.name.tag,
    digest: image.digest,
    sourceJson: JSON.stringify(image.source),
    enabled: 1,
    general: 0,
    sizeBytes: null,
    entrypointJson: image.entrypoint ? JSON.stringify(image.entrypoint) : null,
    ownEntrypointJson: null,
    platform: null,
    labelsJson: JSON.stringify(image.labels ?? {}),
    visibility: image.visibility ?? 'private',
    description: image.description ?? null,
    createdBy: image.actor,
    createdAt: image.now,
    lastUsedAt: null,
    leaseOwner: null,
    leaseUntil: null,
    ...stateColumns('pending', image.now),
  }
  await trx.insertInto('images').values(row).execute()
  await recordEvent(trx, {
    imageId: row.id,
    at: image.now,
    type: 'created',
    state: 'pending',
    actor: image.actor,
    digest: image.digest,
  })
  return row
}
