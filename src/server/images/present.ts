import type { Image, ImageEvent, ImageSource, ImageState, Reason } from '../../contract/image.ts'
import type { ImageEventTable, ImageTable } from '../store/schema.ts'

const BYTES_PER_GB = 1024 ** 3

/** Where an organization's images are pulled from: `HOST/SLUG`. */
export type ReferencePrefix = string

/** The image as clients see it, field by field: a new column never gets out by accident. */
export function toImage(row: ImageTable, prefix: ReferencePrefix): Image {
  const reason = parseJson<Reason>(row.reasonJson)
  return {
    id: row.id,
    organizationId: row.organizationId,
    name: row.name,
    reference: `${prefix}/${row.name}`,
    digest: row.digest,
    source: JSON.parse(row.sourceJson) as ImageSource,
    state: row.state as ImageState,
    step: row.step,
    reason,
    errorReason: row.state === 'error' ? (reason?.message ?? null) : null,
    enabled: row.enabled === 1,
    general: row.general === 1,
    size: row.sizeBytes === null ? null : row.sizeBytes / BYTES_PER_GB,
    sizeBytes: row.sizeBytes,
    entrypoint: parseJson<string[]>(row.entrypointJson ?? row.ownEntrypointJson),
    platform: row.platform,
    labels: JSON.parse(row.labelsJson) as Record<string, string>,
    visibility: row.visibility,
    description: row.description,
    createdBy: row.createdBy,
    createdAt: toIso(row.createdAt),
    updatedAt: toIso(row.updatedAt),
    lastUsedAt: row.lastUsedAt === null ? null : toIso(row.lastUsedAt),
  }
}

export function toEvent(row: Omit<ImageEventTable, 'id'> & { id: number }): ImageEvent {
  return {
    id: row.id,
    at: toIso(row.at),
    type: row.type,
    state: row.state as ImageState | null,
    reason: parseJson<Reason>(row.reasonJson),
    actor: row.actor,
    digest: row.digest,
  }
}

function toIso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

function parseJson<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T)
}
