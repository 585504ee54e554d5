import { ImgctlError } from '../errors/error.ts'
import { headlessReason } from '../operations/login/headless.ts'
import { logInWithOAuth } from '../operations/login/oauth-login.ts'
import { isPlainRemote } from '../operations/login/plain-remote.ts'
import type { OidcSettings } from '../ports/login.ts'
import { successLine, warningLine } from '../terminal/streams.ts'
import { defineCommand } from './command.ts'
import type { CommandContext } from './context.ts'
import { LOGIN_OPTIONS, type LoginOptionValues } from './options/login.ts'
import { readApiKey } from './shared/read-api-key.ts'
import { showLoginEvent } from './views/login-events.ts'

const KEY_HINT = 'log in with an API key: imgctl login --api-key-stdin < key.txt'

export default defineCommand({
  description: `Logs in to a server, with a browser, with a code on any device, or with an API key, and stores the login after the
server has confirmed it: in the system's keychain, or where there is none in a file that only you can read.

Over SSH, in dev containers and without a display the login is one with a code. In CI nothing needs to be stored:
IMGCTL_SERVER and IMGCTL_API_KEY are enough.`,
  arguments: {},
  options: LOGIN_OPTIONS,
  examples: [
    'imgctl login',
    'imgctl login --device',
    'imgctl login --server https://images.example --api-key-stdin < key.txt',
    'imgctl login --profile work --server https://images.example --organization team',
  ],
  async run({ options }, context) {
    assertOneWay(options)
    const { server, profile } = await context.loginTarget()
    const login = await obtainLogin(options, server, context)
    const token = 'accessToken' in login ? login.accessToken.value : login.apiKey
    const me = await (await context.connect(server, token)).me(context.signal)
    const { place } = await context.storeLogin(server, login, profile)
    const { stderr } = context.streams
    stderr.write(successLine(stderr, 'Successfully logged in!'))
    const kept = place === 'file' ? 'a file' : 'the keychain'
    const who = `${me.name}, organization ${me.organization.slug}`
    stderr.write(successLine(stderr, `${who}, at ${server} (profile ${profile}, kept in ${kept})`))
    warnAfter(server, context)
  },
})

/** @throws ImgctlError USAGE when several ways to log in are asked for */
function assertOneWay({ device, web, browser, callbackPort, apiKey, apiKeyStdin }: LoginOptionValues): void {
  const ways = [
    device ? '--device' : undefined,
    web ? '--web' : undefined,
    apiKey === undefined ? undefined : '--api-key',
    apiKeyStdin ? '--api-key-stdin' : undefined,
  ].filter((way) => way !== undefined)
  if (ways.length > 1) throw new ImgctlError('USAGE', `${ways.join(' and ')} exclude each other`)
  const forBrowser = browser ? (callbackPort === undefined ? undefined : '--callback-port') : '--no-browser'
  if (forBrowser === undefined || ways.length === 0 || web) return
  throw new ImgctlError('USAGE', `${forBrowser} is for a login with a browser, not for ${ways[0]}`)
}

async function obtainLogin(options: LoginOptionValues, server: string, context: CommandContext) {
  const isKey = options.apiKey !== undefined || options.apiKeyStdin
  const isOAuth = options.device || options.web || !options.browser
  if (!isKey && !isOAuth) requirePerson(context)
  const oidc = isKey ? null : await oidcOf(server, context)
  if (isOAuth && oidc === null) {
    const message = `${server} has no login with a browser or a code`
    throw new ImgctlError('UNSUPPORTED', message, { hint: KEY_HINT })
  }
  if (oidc !== null && (isOAuth || (await chooseMethod(context)) === 'browser')) {
    return oauthLogin(options, oidc, server, context)
  }
  return { kind: 'api-key', apiKey: await readApiKey(options, context) } as const
}

/** Without a person nothing is asked for, not even the server's settings. */
function requirePerson({ flags, streams }: CommandContext): void {
  if (flags.input && streams.interactive) return
  throw new ImgctlError('INPUT_REQUIRED', 'nobody can be asked how to log in', {
    hint: '--device logs in with a code, --api-key-stdin with a key; IMGCTL_API_KEY needs no login',
  })
}

async function oidcOf(server: string, context: CommandContext): Promise<OidcSettings | null> {
  const { oidc } = await (await context.connect(server, undefined)).config(context.signal)
  if (oidc === null && context.streams.interactive)
    context.streams.stderr.write(`${server} has no login with a browser\n`)
  return oidc
}

function chooseMethod({ choose }: CommandContext): Promise<'browser' | 'api-key'> {
  return choose(
    'Select Authentication Method',
    [
      {
        value: 'browser',
        name: 'Login with Browser',
        description: 'Authenticate using OAuth in your browser',
      },
      { value: 'api-key', name: 'Set API Key', description: 'Authenticate using an API key' },
    ],
    '--web, --device or --api-key-stdin',
  )
}

async function oauthLogin(
  { device, web, browser, callbackPort, timeout }: LoginOptionValues,
  oidc: OidcSettings,
  server: string,
  { issuer, streams, signal, environment, runtime }: CommandContext,
) {
  const request = {
    method: device ? 'device' : web || !browser ? 'browser' : 'auto',
    openBrowser: browser,
    callbackPort,
    timeoutMs: timeout,
    headless: headlessReason(environment, runtime.platform.split('/')[0] ?? ''),
  } as const
  const found = await issuer(oidc, server, signal)
  return logInWithOAuth(found, request, (event) => showLoginEvent(streams.stderr, event), signal)
}

function warnAfter(server: string, { streams, environment }: CommandContext): void {
  const warn = (text: string) => streams.stderr.write(warningLine(streams.stderr, text))
  if (isPlainRemote(server)) warn(`${server} is plain HTTP: the login can be read on the way`)
  if (environment['IMGCTL_API_KEY']) warn('IMGCTL_API_KEY is set and goes before this login')
}
