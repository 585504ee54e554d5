import { resolve } from 'node:path'
import { ImgctlError } from '../../../errors/error.ts'
import { humanBytes } from '../../../terminal/humanize.ts'
import { printRecords } from '../../../terminal/records.ts'
import { successLine } from '../../../terminal/streams.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { required } from '../../options/kinds.ts'
import { format } from '../../options/output.ts'
import { ownStorageQuota } from '../../options/storage-quota.ts'
import { ORGANIZATION_VIEW } from '../../views/organization-record.ts'

export default defineCommand({
  description: `Changes what an organization may store, from the next upload on. The server may run meanwhile. One that has
more already keeps it, and uploads nothing until it has less.`,
  arguments: { slug: required('<slug>', 'the organization') },
  options: { data, quota: ownStorageQuota, format: format() },
  examples: [
    'imgctl serve organization set team --quota 500G',
    'imgctl serve organization set team --quota default',
  ],
  async run({ args, options }, { streams, serverUsers, serverDataDir }) {
    if (options.quota === undefined) {
      throw new ImgctlError('USAGE', 'there is nothing to change', { hint: 'give --quota SIZE' })
    }
    const storageQuota = options.quota === 'default' ? null : options.quota
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    const changed = await users.setStorageQuota(args.slug, storageQuota)
    if (options.format.kind !== 'table') {
      return printRecords(streams.stdout, changed, ORGANIZATION_VIEW, options)
    }
    const limit =
      storageQuota === null ? 'what the server lets every organization store' : humanBytes(storageQuota)
    const stored = `it has ${humanBytes(changed.storedBytes)}`
    streams.stderr.write(successLine(streams.stderr, `${args.slug} may store ${limit}; ${stored}`))
  },
})
