import type { Organization } from '../../contract/identity.ts'
import { printRecords, type RecordView } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { format, quiet } from '../options/output.ts'

interface OrganizationRecord extends Organization {
  /** Whether commands use it now. */
  readonly active: boolean
}

const VIEW: RecordView<OrganizationRecord> = {
  columns: [
    { header: 'Organization', value: ({ slug }) => slug },
    { header: 'Name', value: ({ name }) => name },
    { header: 'Id', value: ({ id }) => id },
    { header: 'Active', value: ({ active }) => active, human: ({ active }) => (active ? '*' : '') },
  ],
  id: ({ slug }) => slug,
}

export default defineCommand({
  description: 'Lists the organizations that you can reach. An API key reaches the one that it was made for.',
  arguments: {},
  options: { format: format(), quiet },
  examples: ['imgctl organization list'],
  async run({ options }, { streams, server, session, signal }) {
    const api = await server()
    const organizations = await api.organizations(signal)
    // With none chosen it is the server that chooses.
    const chosen = (await session()).organization ?? (await api.me(signal)).organization.id
    const records = organizations.map((each) => ({
      ...each,
      active: each.id === chosen || each.slug === chosen,
    }))
    await printRecords(streams.stdout, records, VIEW, options)
  },
})
