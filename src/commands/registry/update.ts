import { findRegistry } from '../../operations/registries/find-registry.ts'
import { defineCommand } from '../command.ts'
import { text } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { password, passwordStdin, project, registry, username } from '../options/registry.ts'
import { readPassword } from '../shared/read-secret.ts'
import { printChangedRegistry } from '../views/upstream-registry.ts'

export default defineCommand({
  description: `Changes what is given and nothing else. Without options it asks for a new password. Another host needs the
password again, so that a stored one is never sent to a host that it was not given for.`,
  arguments: { registry },
  options: {
    name: text('--name <name>', 'what to call it'),
    url: text('--url <host>', 'another host; http:// when it has no TLS'),
    username,
    password,
    passwordStdin,
    project,
    format: format(),
  },
  examples: [
    'imgctl registry update ghcr.io --password-stdin < token.txt',
    'imgctl registry update lan --url registry.lan:5443 --username ci',
  ],
  async run({ args, options }, context) {
    const { streams, server, signal } = context
    const { name, url, username, project } = options
    const api = await server()
    const { id, ...known } = await findRegistry(api, args.registry, signal)
    const fields = { name, url, username, project }
    const changes = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
    const isGiven = options.password !== undefined || options.passwordStdin
    const isNeeded = url !== undefined || Object.keys(changes).length === 0
    if (isGiven || isNeeded) {
      const question = `Password of ${username ?? known.username} at ${url ?? known.url}`
      changes['password'] = await readPassword(options, context, question)
    }
    await printChangedRegistry(
      streams,
      await api.updateRegistry(id, changes, signal),
      'updated',
      options.format,
    )
  },
})
