import { findRegistry } from '../../operations/registries/find-registry.ts'
import { defineCommand } from '../command.ts'
import { format } from '../options/output.ts'
import { registry } from '../options/registry.ts'
import { printChangedRegistry } from '../views/upstream-registry.ts'

export default defineCommand({
  description: `Marks a registry as the organization's default, for clients that ask for one. Which credentials are used does not
depend on it: that is decided by the host of the reference alone.`,
  arguments: { registry },
  options: { format: format() },
  examples: ['imgctl registry set-default ghcr.io'],
  async run({ args, options }, { streams, server, signal }) {
    const api = await server()
    const { id } = await findRegistry(api, args.registry, signal)
    await printChangedRegistry(
      streams,
      await api.setDefaultRegistry(id, signal),
      'is the default now',
      options.format,
    )
  },
})
