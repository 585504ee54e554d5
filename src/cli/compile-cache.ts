import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir, type Environment } from '../config/paths.ts'
import { BUILD, VERSION } from './version.ts'

/** Others may read it, and must not write: what is in there is run. */
const WRITABLE_BY_OTHERS = 0o022
/** A build that is still in use makes its folder (about 2 MB) again. */
const KEPT_MS = 24 * 3_600_000

/**
 * Lets Node keep the program's files as it compiled them, and read them so from then on. Processes may share the folder,
 * and Node tells what is whole and of its own version: https://nodejs.org/api/module.html#module-compile-cache.
 * Without it (before Node 22.8, in a folder that cannot be written) every start compiles, which is all that is lost.
 */
export function enableCompileCache(environment: Environment): void {
  const { enableCompileCache: enable } = process.getBuiltinModule('node:module')
  if (typeof enable !== 'function' || environment['NODE_DISABLE_COMPILE_CACHE']) return
  try {
    const folder = compiledFolder(environment)
    if (folder !== undefined) enable(folder)
  } catch {
    // No folder, no cache.
  }
}

/** The folder of this build; undefined when it is not this user's alone to write. Those of other builds go. */
function compiledFolder(environment: Environment): string | undefined {
  const builds = join(cacheDir(environment), 'compiled')
  const name = `${VERSION}-${BUILD}`
  const folder = join(builds, name)
  const isNew = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined
  if (![builds, folder].every(isOwn)) return undefined
  if (isNew) removeOld(builds, name)
  return folder
}

function isOwn(folder: string): boolean {
  const { uid, mode } = lstatSync(folder)
  const self = process.getuid?.()
  return self === undefined || (uid === self && (mode & WRITABLE_BY_OTHERS) === 0)
}

/** Two versions in use at once are not to remove each other's folder at each start. */
function removeOld(builds: string, current: string): void {
  const oldest = Date.now() - KEPT_MS
  for (const name of readdirSync(builds)) {
    const folder = join(builds, name)
    if (name === current || lstatSync(folder).mtimeMs > oldest) continue
    rmSync(folder, { recursive: true, force: true })
  }
}
