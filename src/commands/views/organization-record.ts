import type { OrganizationRecord } from '../../ports/server-users.ts'
import type { RecordView } from '../../terminal/records.ts'

export const ORGANIZATION_VIEW: RecordView<OrganizationRecord> = {
  columns: [
    { header: 'Organization', value: ({ slug }) => slug },
    { header: 'Name', value: ({ name }) => name },
    { header: 'Users', value: ({ users }) => users, align: 'right' },
    { header: 'Images', value: ({ images }) => images, align: 'right' },
  ],
  id: ({ slug }) => slug,
}
