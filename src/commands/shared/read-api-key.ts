import { ImgctlError } from '../../errors/error.ts'
import { type Streams, warningLine } from '../../terminal/streams.ts'

/** A key is 47 characters; nobody pipes more on purpose. */
const MAX_KEY_LENGTH = 4096

export interface KeySources {
  readonly apiKey: string | undefined
  readonly apiKeyStdin: boolean
}

interface KeyContext {
  readonly streams: Streams
  readonly askSecret: (question: string, flag: string) => Promise<string>
}

/** The key from an option, stdin, or a person who types it unseen. @throws ImgctlError USAGE, INPUT_REQUIRED */
export async function readApiKey(sources: KeySources, context: KeyContext): Promise<string> {
  return checkKey(await readKey(sources, context))
}

async function readKey({ apiKey, apiKeyStdin }: KeySources, { streams, askSecret }: KeyContext) {
  if (apiKey !== undefined) {
    const warning = '--api-key is visible to other users of this machine; --api-key-stdin is not'
    streams.stderr.write(warningLine(streams.stderr, warning))
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
