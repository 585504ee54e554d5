import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { format, quiet } from '../options/output.ts'
import { registryView } from '../views/upstream-registry.ts'

export default defineCommand({
  description: 'Lists the private registries that the server has credentials for. Passwords are never shown.',
  arguments: {},
  options: { format: format(), quiet },
  examples: ['imgctl registry list', "imgctl registry list --format '{{.Name}} {{.Url}}'"],
  async run({ options }, { streams, server, signal }) {
    const registries = await (await server()).registries(signal)
    await printRecords(streams.stdout, registries, registryView(Date.now()), options)
    if (registries.length === 0 && options.format.kind === 'table' && !options.quiet) {
      streams.stderr.write('No registries found\nAdd one: imgctl registry add HOST --username NAME\n')
    }
  },
})
