import { ImgctlError } from '../errors/error.ts'
import type { Streams } from '../terminal/streams.ts'
import { defineCommand } from './command.ts'
import { flag, text } from './options/kinds.ts'

/** A key is 47 characters; nobody pipes more on purpose. */
const MAX_KEY_LENGTH = 4096

export default defineCommand({
  description: `Stores an API key for a server, after the server has confirmed it. In CI nothing needs to be stored:
IMGCTL_SERVER and IMGCTL_API_KEY are enough.`,
  arguments: {},
  options: {
    apiKey: text(
      '--api-key <key>',
      'the key (other users of this machine can see it while the command runs)',
    ),
    apiKeyStdin: flag('--api-key-stdin', 'read the key from stdin'),
  },
  examples: [
    'imgctl login',
    'imgctl login --server https://images.example --api-key-stdin < key.txt',
    'imgctl login --profile work --server https://images.example',
  ],
  async run({ options }, context) {
    const { streams, signal, environment } = context
    const { server, profile } = await context.loginTarget()
    const key = checkKey(await readKey(options, context))
    const me = await (await context.connect(server, key)).me(signal)
    await context.storeLogin(server, key, profile)
    const { stderr } = streams
    const as = `${me.name}, organization ${me.organization.slug}`
    stderr.write(
      `${stderr.style.green('✓')} Successfully logged in to ${server} as ${as} (profile ${profile})\n`,
    )
    if (isPlainRemote(server)) warn(streams, `${server} is plain HTTP: the key can be read on the way`)
    if (environment['IMGCTL_API_KEY']) warn(streams, 'IMGCTL_API_KEY is set and goes before this login')
  },
})

interface KeyOptions {
  readonly apiKey: string | undefined
  readonly apiKeyStdin: boolean
}

type KeyContext = {
  readonly streams: Streams
  readonly askSecret: (question: string, flag: string) => Promise<string>
}

async function readKey(
  { apiKey, apiKeyStdin }: KeyOptions,
  { streams, askSecret }: KeyContext,
): Promise<string> {
  if (apiKey !== undefined && apiKeyStdin) {
    throw new ImgctlError('USAGE', '--api-key and --api-key-stdin exclude each other')
  }
  if (apiKey !== undefined) {
    warn(streams, '--api-key is visible to other users of this machine; --api-key-stdin is not')
    return apiKey
  }
  if (apiKeyStdin) return readStdin(streams)
  return askSecret('API key', '--api-key-stdin, or set IMGCTL_API_KEY instead of logging in')
}

async function readStdin({ stdin }: Streams): Promise<string> {
  let text = ''
  for await (const chunk of stdin) {
    text += String(chunk)
    if (text.length > MAX_KEY_LENGTH)
      throw new ImgctlError('USAGE', 'what came on stdin is too long for a key')
  }
  return text
}

function checkKey(text: string): string {
  const key = text.trim()
  if (key === '')
    throw new ImgctlError('INPUT_REQUIRED', 'the key is empty', { hint: 'pipe it: --api-key-stdin' })
  if (/^[\x21-\x7e]+$/.test(key)) return key
  throw new ImgctlError('USAGE', 'the key has spaces or other characters that no key has')
}

function isPlainRemote(server: string): boolean {
  return server.startsWith('http:') && !/^http:\/\/(?:localhost|127\.|\[::1\])/.test(server)
}

function warn({ stderr }: Streams, text: string): void {
  stderr.write(`${stderr.style.yellow('warning:')} ${text}\n`)
}
