import { findRegistry } from '../../operations/registries/find-registry.ts'
import { defineCommand } from '../command.ts'
import { registry } from '../options/registry.ts'

export default defineCommand({
  description: `Makes the server forget a registry and its password. Images that were fetched from it stay.`,
  arguments: { registry },
  options: {},
  examples: ['imgctl registry remove ghcr.io'],
  async run({ args }, { streams, server, signal }) {
    const api = await server()
    const { id, name, url } = await findRegistry(api, args.registry, signal)
    await api.removeRegistry(id, signal)
    streams.stderr.write(`${streams.stderr.style.green('✓')} Registry ${name} (${url}) removed\n`)
  },
})
