import type { Logger } from 'pino'
import type { Closing } from './closing.ts'
import { openBlobStore } from './content/blob-store.ts'
import { openReserve } from './content/reserve.ts'
import type { ServerContext, ServerSettings } from './context.ts'
import { openDatabaseIn, prepareDataFolder } from './data-folder.ts'
import { createAccessTokens } from './identity/access-tokens.ts'
import { openKeys } from './identity/keys.ts'
import { lockFolder } from './store/folder-lock.ts'

/**
 * Takes the data folder for this process, and opens all that is in it.
 *
 * @param closing gives it all back
 * @throws ImgctlError CONFLICT when another process has it; FILE_UNREADABLE
 */
export async function openContext(
  settings: ServerSettings,
  parts: Pick<ServerContext, 'now' | 'wakeReconciler' | 'origin'> & { readonly log: Logger },
  closing: Closing,
): Promise<ServerContext> {
  const { dataDir } = settings
  await prepareDataFolder(dataDir, parts.log)
  // On a full disk too, because it is here that things are deleted.
  const reserve = await openReserve(dataDir)
  const lock = await reserve.use(() => lockFolder(dataDir))
  closing.add(() => lock.release())
  const db = await reserve.use(() => openDatabaseIn(dataDir))
  closing.add(() => db.destroy())
  const [keys, blobs] = await Promise.all([openKeys(dataDir, parts.now), openBlobStore(dataDir)])
  const all = { settings, db, keys, ...parts }
  return { ...all, blobs, reserve, accessTokens: createAccessTokens(all) }
}
