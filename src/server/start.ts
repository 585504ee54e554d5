import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Closing } from './closing.ts'
import { openBlobStore } from './content/blob-store.ts'
import { startJanitor } from './content/janitor.ts'
import type { ServerContext, ServerSettings } from './context.ts'
import { createApp } from './http/app.ts'
import { principalOf } from './http/authentication.ts'
import { registryHostOf } from './http/public-url.ts'
import { bootstrap } from './identity/bootstrap.ts'
import { openKeys } from './identity/keys.ts'
import { startReconciler } from './images/reconciler.ts'
import { imageRoutes, type RequestFacts } from './images/routes.ts'
import { assertListenable, drain, listen } from './listen.ts'
import { createLog } from './log.ts'
import { registryRoutes } from './registry/routes.ts'
import { openDatabase } from './store/database.ts'
import { lockFolder } from './store/folder-lock.ts'

const DATABASE_FILE = 'imgctl.db'
/** Keys and everyone's images are in the folder. */
const PRIVATE_FOLDER = 0o700

export interface RunningServer {
  /** Works on this machine; other clients use the public URL. */
  readonly url: string
  readonly port: number
  readonly context: ServerContext
  /** The first API key, at the first start only: show it now, it cannot be read again. */
  readonly bootstrapKey: string | undefined
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
    await closing.close()
    throw error
  }
}

async function open(settings: ServerSettings, parts: ServerParts, closing: Closing): Promise<RunningServer> {
  const reconciler = { wake: () => {} }
  const context = await openContext(settings, parts, closing, () => reconciler.wake())
  const app = await createApp(context, {
    api: [imageRoutes(context, requestFacts(context))],
    registry: registryRoutes(context),
  })
  const { wake, stop } = startReconciler(context)
  closing.add(stop)
  reconciler.wake = wake
  const janitor = startJanitor(context)
  closing.add(() => janitor.stop())
  closing.add(() => drain(app))
  const address = await listen(app, settings)
  // Last: the key's value would be lost if a later step failed.
  const bootstrapKey = await bootstrap(context)
  context.log.info({ url: address.url, dataDir: settings.dataDir }, 'ready')
  return { ...address, context, bootstrapKey, close: () => closing.close() }
}

/** What the image routes need of the HTTP layer, which imports them and not the other way round. */
function requestFacts(context: ServerContext): RequestFacts {
  return { principalOf, registryHostOf: (request) => registryHostOf(context, request) }
}

async function openContext(
  settings: ServerSettings,
  { log = createLog(settings.logLevel), now = Date.now }: ServerParts,
  closing: Closing,
  wakeReconciler: () => void,
): Promise<ServerContext> {
  const { dataDir } = settings
  await mkdir(dataDir, { recursive: true, mode: PRIVATE_FOLDER })
  await chmod(dataDir, PRIVATE_FOLDER)
  const lock = await lockFolder(dataDir)
  closing.add(() => lock.release())
  const db = await openDatabase(join(dataDir, DATABASE_FILE))
  closing.add(() => db.destroy())
  const [keys, blobs] = await Promise.all([openKeys(dataDir, now), openBlobStore(dataDir)])
  return { settings, db, blobs, keys, log, now, wakeReconciler }
}
