import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import type { Entry } from './build-archive.ts'

export type TemporaryFolder = ReturnType<typeof temporaryFolder>

/** A folder for one test file, gone after it. Its `spool` must be empty whenever nothing is open. */
export function temporaryFolder() {
  const root = mkdtempSync(join(tmpdir(), 'imgctl-archive-test-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  const spool = mkdtempSync(join(root, 'spool-'))
  let count = 0
  return {
    root,
    spool,
    spooledFiles: () => readdirSync(spool),
    async file(bytes: Uint8Array): Promise<string> {
      const path = join(root, `archive-${count++}`)
      await writeFile(path, bytes)
      return path
    },
    async folder(entries: readonly Entry[]): Promise<string> {
      const path = join(root, `folder-${count++}`)
      await mkdir(path)
      for (const { name, body = '' } of entries) {
        await mkdir(dirname(join(path, name)), { recursive: true })
        await writeFile(join(path, name), body)
      }
      return path
    },
  }
}

/** Descriptors of this process that are open; undefined where the system does not list them. */
export function openDescriptors(): number | undefined {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : undefined
}
