import { formatPlatform } from '../../oci/platform.ts'
import { familiarName, familiarReference } from '../../oci/reference.ts'
import type { RegistryPushed } from '../../operations/push/push-to-registry.ts'
import type { RecordView } from '../../terminal/records.ts'

/** What a push with `--to` answers in JSON, and what `--metadata-file` holds. Sizes are bytes. */
export interface RegistryPushRecord {
  readonly reference: string
  readonly pinned: string
  readonly digest: string
  readonly mediaType: string
  readonly size: number
  readonly platform: string
}

export function registryPushRecord({ reference, platform, descriptor }: RegistryPushed): RegistryPushRecord {
  const { digest, mediaType, size } = descriptor
  return {
    reference: familiarReference(reference),
    pinned: `${familiarName(reference)}@${digest}`,
    digest,
    mediaType,
    size,
    platform: formatPlatform(platform),
  }
}

export const REGISTRY_PUSHED: RecordView<RegistryPushRecord> = {
  columns: [{ header: 'Pushed', value: ({ pinned }) => pinned }],
  id: ({ pinned }) => pinned,
}
