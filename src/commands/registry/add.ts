import { ImgctlError } from '../../errors/error.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { required, text } from '../options/kinds.ts'
import { format, quiet } from '../options/output.ts'
import { password, passwordStdin, project, username } from '../options/registry.ts'
import { readPassword } from '../shared/read-secret.ts'
import { printChangedRegistry, registryView } from '../views/upstream-registry.ts'

export default defineCommand({
  description: `Stores a user and password on the server, for the images of the organization that it fetches from that
registry. They are used for references with exactly this host, port included. The server keeps the password
encrypted and never shows it again. It is asked for unseen, or read with --password-stdin.`,
  arguments: {
    host: required(
      '<host>',
      'as in a reference: ghcr.io, docker.io, registry.example:5000; http:// when it has no TLS',
    ),
  },
  options: {
    name: text('--name <name>', 'what to call it (default: the host)'),
    username,
    password,
    passwordStdin,
    project,
    format: format(),
    quiet,
  },
  examples: [
    'imgctl registry add ghcr.io --username robot --password-stdin < token.txt',
    'imgctl registry add docker.io --username jane',
    'imgctl registry add http://registry.lan:5000 --name lan --username ci',
  ],
  async run({ args, options }, context) {
    const { streams, server, signal } = context
    const { username, format, quiet } = options
    if (username === undefined) {
      throw new ImgctlError('USAGE', 'a registry needs a user name', {
        hint: 'give it with --username; for a token use the name that the registry says',
      })
    }
    const api = await server()
    const password = await readPassword(options, context, `Password of ${username} at ${args.host}`)
    const registry = await api.addRegistry(
      {
        name: options.name ?? args.host.replace(/^https?:\/\//, '').replace(/\/.*$/, ''),
        url: args.host,
        username,
        password,
        ...(options.project === undefined ? {} : { project: options.project }),
      },
      signal,
    )
    if (quiet) return printRecords(streams.stdout, registry, registryView(Date.now()), { format, quiet })
    await printChangedRegistry(streams, registry, 'added', format)
  },
})
