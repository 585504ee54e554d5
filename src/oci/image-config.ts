import { ImgctlError } from '../errors/error.ts'
import { isRecord } from '../internal/is-record.ts'
import { type Digest, parseDigest } from './digest.ts'
import { normalizePlatform, type Platform } from './platform.ts'

/** https://github.com/opencontainers/image-spec/blob/main/config.md, the parts that imgctl reads. */
export interface ImageConfig {
  readonly platform: Platform
  /** sha256 of each uncompressed layer tar, lowest first. */
  readonly diffIDs: readonly Digest[]
  readonly created: string | undefined
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly history: readonly HistoryEntry[]
}

export interface HistoryEntry {
  readonly created?: string
  readonly createdBy?: string
  readonly comment?: string
  readonly emptyLayer: boolean
}

/** A config is JSON of a few kB; larger ones are refused unread. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024

/** @throws ImgctlError MANIFEST_INVALID */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  let json: Record<string, unknown>
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new ImgctlError('MANIFEST_INVALID', 'the image config is not JSON', { cause })
  }
  const { architecture, os, variant } = json ?? {}
  if (typeof architecture !== 'string' || typeof os !== 'string' || !architecture || !os) {
    throw new ImgctlError('MANIFEST_INVALID', 'the image config names no os and architecture')
  }
  const rootfs = asRecord(json['rootfs'])
  if (!Array.isArray(rootfs['diff_ids'])) {
    throw new ImgctlError('MANIFEST_INVALID', 'the image config has no rootfs.diff_ids')
  }
  const run = asRecord(json['config'])
  const platform =
    typeof variant === 'string' && variant ? { os, architecture, variant } : { os, architecture }
  return {
    platform: normalizePlatform(platform),
    diffIDs: rootfs['diff_ids'].map((id, i) => parseDigest(id, `diff_ids[${i}]`)),
    created: typeof json['created'] === 'string' ? json['created'] : undefined,
    entrypoint: asStrings(run['Entrypoint']),
    cmd: asStrings(run['Cmd']),
    labels: asStringRecord(run['Labels']),
    history: Array.isArray(json['history']) ? json['history'].map(parseHistory) : [],
  }
}

function parseHistory(value: unknown): HistoryEntry {
  const entry = asRecord(value)
  const text = (key: string) => (typeof entry[key] === 'string' ? (entry[key] as string) : undefined)
  const created = text('created')
  const createdBy = text('created_by')
  const comment = text('comment')
  return {
    emptyLayer: entry['empty_layer'] === true,
    ...(created ? { created } : {}),
    ...(createdBy ? { createdBy } : {}),
    ...(comment ? { comment } : {}),
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {}
}

function asStrings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function asStringRecord(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(asRecord(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
}
