import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isAlive } from './process-alive.ts'

/** As much of a machine's name as leaves a file name short. */
const HOST_LENGTH = 40
const NAME = /^\.imgctl-(.+)-(\d+)-[0-9a-f]{16}\.tmp$/

/** A path for a file that becomes another by a rename. Its name says which process of which machine it belongs to. */
export function temporaryFile(folder: string): string {
  return join(folder, `.imgctl-${thisHost()}-${process.pid}-${randomBytes(8).toString('hex')}.tmp`)
}

/**
 * Removes the temporary files in `folder` whose processes ended without doing so: killed, or cut off from power. Those
 * of other machines, that share the folder, stay. What cannot be removed is left.
 */
export async function sweepTemporaryFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const dead = names.filter((name) => {
    const [, host, pid] = NAME.exec(name) ?? []
    return host === thisHost() && !isAlive(Number(pid))
  })
  await Promise.all(dead.map((name) => rm(join(folder, name), { force: true }).catch(() => {})))
}

function thisHost(): string {
  return hostname()
    .replaceAll(/[^A-Za-z0-9.-]/g, '_')
    .slice(0, HOST_LENGTH)
}
