import { PERMISSIONS } from '../../contract/identity.ts'
import { ImgctlError } from '../../errors/error.ts'
import { printRecords } from '../../terminal/records.ts'
import { successLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { expires, expiryTime } from '../options/expiry.ts'
import { required, texts } from '../options/kinds.ts'
import { format, quiet } from '../options/output.ts'
import { permissionsOf } from '../options/permissions.ts'
import { apiKeyView } from '../views/api-key.ts'
import { minuteText } from '../views/time.ts'

export default defineCommand({
  description: `Makes an API key for the organization in use and prints it, alone, on stdout: this one time, the server keeps only its
hash. A key can do no more than who makes it.`,
  arguments: { name: required('<name>', 'what to call it: ci, laptop') },
  options: {
    permissions: texts(
      '--permission <permission>',
      `what it may do: ${PERMISSIONS.join(', ')}; with commas between, or given again`,
    ),
    expires,
    format: format(),
    quiet,
  },
  examples: [
    'imgctl key create ci --permission read:images,write:images --expires 90d',
    'imgctl key create ci --permission write:images | gh secret set IMGCTL_API_KEY',
    "imgctl key create ci --permission admin --format '{{.Value}}'",
  ],
  async run({ args, options }, { streams: { stdout, stderr }, server, signal }) {
    const permissions = [...new Set(permissionsOf('--permission', options.permissions))]
    if (permissions.length === 0) {
      throw new ImgctlError('USAGE', 'a key needs a permission', {
        hint: `for example: imgctl key create ${args.name} --permission read:images,write:images`,
      })
    }
    const expiresAt = expiryTime(options.expires, Date.now())
    const key = await (await server()).createApiKey({ name: args.name, permissions, expiresAt }, signal)
    const { format, quiet } = options
    if (quiet || format.kind === 'table') stdout.write(`${key.value}\n`)
    else await printRecords(stdout, key, apiKeyView(Date.now()), { format })
    if (quiet) return
    const end = key.expiresAt === null ? 'without an end' : `until ${minuteText(key.expiresAt)}`
    stderr.write(successLine(stderr, `Key ${key.name} may ${key.permissions.join(', ')}, ${end}`))
    stderr.write('It is shown this once\n')
  },
})
