import type { OrganizationRecord } from '../../ports/server-users.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'

export const ORGANIZATION_VIEW: RecordView<OrganizationRecord> = {
  columns: [
    { header: 'Organization', value: ({ slug }) => slug },
    { header: 'Name', value: ({ name }) => name },
    { header: 'Users', value: ({ users }) => users, align: 'right' },
    { header: 'Images', value: ({ images }) => images, align: 'right' },
    {
      header: 'Stored',
      value: ({ storedBytes }) => storedBytes,
      human: ({ storedBytes }) => humanBytes(storedBytes),
      align: 'right',
    },
    {
      header: 'Quota',
      value: ({ storageQuota }) => storageQuota,
      human: ({ storageQuota }) => (storageQuota === null ? 'default' : humanBytes(storageQuota)),
      align: 'right',
    },
  ],
  id: ({ slug }) => slug,
}
