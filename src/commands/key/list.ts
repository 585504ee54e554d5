import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { format, quiet } from '../options/output.ts'
import { apiKeyView } from '../views/api-key.ts'

export default defineCommand({
  description: 'Lists your API keys of the organization in use. Only the ends of their values are known.',
  arguments: {},
  options: { format: format(), quiet },
  examples: ['imgctl key list', "imgctl key list --format '{{.Name}} {{.ExpiresAt}}'"],
  async run({ options }, { streams, server, signal }) {
    const keys = await (await server()).apiKeys(signal)
    await printRecords(streams.stdout, keys, apiKeyView(Date.now()), options)
    if (keys.length === 0 && options.format.kind === 'table' && !options.quiet) {
      streams.stderr.write('No keys found\nMake one: imgctl key create NAME --permission read:images\n')
    }
  },
})
