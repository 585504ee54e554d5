import { resolve } from 'node:path'
import { ImgctlError } from '../errors/error.ts'
import { defineCommand } from './command.ts'
import type { CommandContext } from './context.ts'
import { data } from './options/data-folder.ts'
import { choice, flag, integer, negation, text, texts } from './options/kinds.ts'
import { permissionsOf } from './options/permissions.ts'
import { storageQuota } from './options/storage-quota.ts'

const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
/** Requests in flight are finished within 30 s; then the database is closed. */
const STOP_WITHIN_MS = 35_000

export default defineCommand({
  description: `Runs the server here: its API, its registry and its data in one folder. The first start makes an
administrator's API key, prints it once and stores it as this user's profile. SIGTERM or Ctrl-C stops it in order; a
changed certificate is read again by itself, and at SIGHUP.
Needs Node.js 22.13 or newer.`,
  arguments: {},
  options: {
    data,
    port: integer('--port <n>', 'the port; 0 takes a free one (default: 7700)', { min: 0, max: 65_535 }),
    host: text('--host <address>', 'the address to listen on (default: 127.0.0.1)'),
    tlsCert: text('--tls-cert <file>', 'certificate chain, PEM'),
    tlsKey: text('--tls-key <file>', "the certificate's key, PEM"),
    publicUrl: text('--public-url <url>', 'how clients reach the server, when a proxy stands before it'),
    insecureHttp: flag('--insecure-http', 'allow plain HTTP on an address that is not loopback'),
    trustedProxies: texts(
      '--trusted-proxy <cidr,...>',
      'proxies on other machines whose X-Forwarded-For and -Proto are believed; may be given again',
    ),
    allowUpstream: texts(
      '--allow-upstream <host[:port]>',
      'a registry that may be fetched from although its address is private',
    ),
    oidcIssuer: text('--oidc-issuer <url>', 'take the logins of this issuer instead of having an own one'),
    oidcClientId: text('--oidc-client-id <id>', 'the public native client of imgctl at that issuer'),
    oidcAudience: text('--oidc-audience <audience>', 'what its access tokens for this server are made for'),
    oidcDefaultPermissions: texts(
      '--oidc-default-permission <permission>',
      'what its users may do from their first login on; without it nothing; may be given again',
    ),
    oidcAdmins: texts(
      '--oidc-admin <subject|email>',
      'who of its users is an administrator: by sub, or by verified e-mail address; may be given again',
    ),
    storageQuota,
    profile: negation('--no-profile', "do not store the first key as this user's profile"),
    logLevel: choice(
      '--log-level <level>',
      'how much is logged on stderr: info, but warn on a terminal',
      LOG_LEVELS,
    ),
  },
  examples: [
    'imgctl serve',
    'imgctl serve --data /srv/imgctl --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --public-url https://images.example',
  ],
  stopWithinMs: STOP_WITHIN_MS,
  async run({ options }, context) {
    const { signal, serverDataDir } = context
    const dataDir = resolve(options.data ?? serverDataDir)
    const { port, host, publicUrl, insecureHttp, allowUpstream, logLevel } = options
    const oidc = externalIssuer(options)
    const server = await context.startServer({
      dataDir,
      insecureHttp,
      trustedProxies: options.trustedProxies.flatMap((list) => list.split(',')),
      allowUpstream,
      publicUrl,
      oidc,
      tls: tlsFiles(options.tlsCert, options.tlsKey),
      limits: { storagePerOrganization: options.storageQuota },
      ...(port === undefined ? {} : { port }),
      ...(host === undefined ? {} : { host }),
      // A person at a terminal wants to hear of trouble; a service keeps a log of every request.
      logLevel: logLevel ?? (context.streams.stderr.isTTY ? 'warn' : 'info'),
    })
    // A terminal that is closed ends the server that was started in it.
    if (!context.streams.stderr.isTTY) context.onHangup(() => void server.reload())
    try {
      await greet(context, server, dataDir, options.profile)
      await aborted(signal)
    } finally {
      await server.close()
    }
  },
})

type Running = Awaited<ReturnType<CommandContext['startServer']>>

async function greet(
  context: CommandContext,
  server: Running,
  dataDir: string,
  storeKey: boolean,
): Promise<void> {
  const { stderr } = context.streams
  const say = (text: string) => stderr.write(`${text}\n`)
  say(`imgctl ${context.version} serves ${stderr.style.bold(server.url)}, data in ${dataDir}`)
  if (!server.canLogIn) {
    say('Nobody can log in with a browser: give --public-url, the URL that browsers reach the server by')
  }
  if (server.bootstrapKey === undefined) return
  if (server.setupLink !== undefined) {
    say(`Set the administrator's password within a day, by this link that works once: ${server.setupLink}`)
  }
  say(`The administrator's API key, shown this once: ${stderr.style.bold(server.bootstrapKey)}`)
  if (!storeKey) return say(`Log in with it: imgctl login --server ${server.url}`)
  const login = { kind: 'api-key', apiKey: server.bootstrapKey } as const
  const { profile } = await context.storeLogin(server.url, login)
  say(`It is stored as profile ${profile}: this user is logged in. Next: imgctl image push IMAGE`)
}

function tlsFiles(certFile: string | undefined, keyFile: string | undefined) {
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile !== undefined && keyFile !== undefined)
    return { certFile: resolve(certFile), keyFile: resolve(keyFile) }
  throw new ImgctlError('USAGE', '--tls-cert and --tls-key need each other')
}

function externalIssuer(options: {
  readonly oidcIssuer: string | undefined
  readonly oidcClientId: string | undefined
  readonly oidcAudience: string | undefined
  readonly oidcDefaultPermissions: readonly string[]
  readonly oidcAdmins: readonly string[]
}) {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcAudience: audience } = options
  const defaultPermissions = permissionsOf('--oidc-default-permission', options.oidcDefaultPermissions)
  const admins = options.oidcAdmins
  const given = [issuer, clientId, audience].filter((value) => value !== undefined)
  if (given.length === 0 && defaultPermissions.length + admins.length === 0) return undefined
  if (issuer === undefined || clientId === undefined || audience === undefined) {
    throw new ImgctlError('USAGE', '--oidc-issuer, --oidc-client-id and --oidc-audience need each other')
  }
  if (defaultPermissions.includes('admin')) {
    throw new ImgctlError('USAGE', '--oidc-default-permission does not take admin', {
      hint: 'name the administrators with --oidc-admin',
    })
  }
  return { issuer, clientId, audience, defaultPermissions, admins }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
