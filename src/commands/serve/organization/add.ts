import { resolve } from 'node:path'
import { printRecords } from '../../../terminal/records.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { required, text } from '../../options/kinds.ts'
import { format } from '../../options/output.ts'
import { ORGANIZATION_VIEW } from '../../views/organization-record.ts'

export default defineCommand({
  description: `Makes an organization: images, keys and permissions of one are not seen in another. Its slug is the first part
of its images' references.`,
  arguments: { slug: required('<slug>', 'lower-case letters and digits, with single . _ or - between them') },
  options: { data, name: text('--name <name>', 'the name to show (default: the slug)'), format: format() },
  examples: ["imgctl serve organization add team --name 'The Team'"],
  async run({ args, options }, { streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    const made = await users.addOrganization(args.slug, options.name)
    if (options.format.kind !== 'table') {
      return printRecords(streams.stdout, made, ORGANIZATION_VIEW, options)
    }
    streams.stdout.write(`${made.slug}\n`)
    streams.stderr.write(
      `Let users in: imgctl serve user grant NAME --organization ${made.slug} --permission admin\n`,
    )
  },
})
