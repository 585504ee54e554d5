import type { Logger } from 'pino'
import { Closing } from './closing.ts'
import { startJanitor } from './content/janitor.ts'
import type { ServerContext, ServerSettings } from './context.ts'
import { listenForControl } from './control.ts'
import { createApp } from './http/app.ts'
import { principalOf } from './http/authentication.ts'
import { Connections } from './http/connections.ts'
import { type TlsServer, watchTls } from './http/tls-renewal.ts'
import { removeOldAudit } from './identity/audit-log.ts'
import { bootstrap } from './identity/bootstrap.ts'
import { issuerOf } from './identity/issuer.ts'
import { removeOldLogins } from './identity/old-logins.ts'
import { registryHostOf } from './identity/public-url.ts'
import { noteRestoration, noteServer, setupLinkOf } from './identity/server-facts.ts'
import { startReconciler } from './images/reconciler.ts'
import { imageRoutes, type RequestFacts } from './images/routes.ts'
import { issuerRoutes } from './issuer/routes.ts'
import { assertListenable, drain, listen, originOf } from './listen.ts'
import { createLog } from './log.ts'
import { openContext } from './open-context.ts'
import { registryRoutes } from './registry/routes.ts'

export interface RunningServer {
  /** Works on this machine; other clients use the public URL. */
  readonly url: string
  readonly port: number
  readonly context: ServerContext
  /** The first API key, at the first start only: show it now, it cannot be read again. */
  readonly bootstrapKey: string | undefined
  /** Sets the administrator's password, once; at the first start only, and only where one can log in here. */
  readonly setupLink: string | undefined
  /** Whether it is known where browsers log in. */
  readonly canLogIn: boolean
  /** Reads what may change while it runs again: the TLS certificate. */
  reload(): Promise<void>
  /** Accepts nothing more, finishes the requests in flight (30 s at most), and gives the folder back. */
  close(): Promise<void>
}

export interface ServerParts {
  readonly log?: Logger
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * Starts a server on its data folder, which is made when absent.
 *
 * @throws ImgctlError USAGE (settings), CONFLICT (folder or port in use), FILE_UNREADABLE (keys, TLS files)
 */
export async function startServer(settings: ServerSettings, parts: ServerParts = {}): Promise<RunningServer> {
  assertListenable(settings)
  const closing = new Closing()
  try {
    return await open(settings, parts, closing)
  } catch (error) {
    // What failed first is what to tell.
    await closing.close().catch(() => {})
    throw error
  }
}

async function open(settings: ServerSettings, parts: ServerParts, closing: Closing): Promise<RunningServer> {
  let wake = () => {}
  let origin: string | undefined
  const { log = createLog(settings.logLevel), now = Date.now } = parts
  const late = { wakeReconciler: () => wake(), origin: () => origin }
  const context = await openContext(settings, { log, now, ...late }, closing)
  const app = await createApp(context, {
    api: [imageRoutes(context, requestFacts(context))],
    registry: registryRoutes(context),
    issuer: settings.oidc ? undefined : issuerRoutes(context),
  })
  const reconciler = startReconciler(context)
  closing.add(() => reconciler.stop())
  wake = () => reconciler.wake()
  const janitor = startJanitor(context, async () => {
    await removeOldLogins(context)
    await removeOldAudit(context)
  })
  closing.add(() => janitor.stop())
  const orders = { collect: () => janitor.collectNow() }
  const control = await context.reserve.use(() => listenForControl(settings.dataDir, orders, log))
  if (control) closing.add(() => control.close())
  const connections = new Connections(app.server)
  closing.add(() => drain(app, connections))
  const address = await listen(app, settings)
  const tls = settings.tls && watchTls(app.server as unknown as TlsServer, settings.tls, log)
  if (tls) closing.add(async () => tls.stop())
  origin = originOf(settings, address.url)
  await context.reserve.use(async () => {
    await noteRestoration(context)
    await noteServer(context)
  })
  // Last: what it answers would be lost if a later step failed.
  const first = await context.reserve.use(() => bootstrap(context))
  context.log.info({ url: address.url, dataDir: settings.dataDir }, 'ready')
  return {
    ...address,
    context,
    bootstrapKey: first?.apiKey,
    setupLink: first && setupLinkOf(context, first.setupToken),
    canLogIn: issuerOf(context) !== undefined,
    reload: async () => tls?.reload(),
    close: () => closing.close(),
  }
}

/** What the image routes need of the HTTP layer, which imports them and not the other way round. */
function requestFacts(context: ServerContext): RequestFacts {
  return { principalOf, registryHostOf: (request) => registryHostOf(context, request) }
}
