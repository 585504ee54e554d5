import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { CaseEntry } from './context-cases.ts'
import { makeContext } from './make-context.ts'

/** A function that makes contexts as the cases have them, each in a folder of its own, gone after the file. */
export function contextFolders(): (
  files: Readonly<Record<string, CaseEntry>>,
) => Promise<{ folder: string; root: string }> {
  const parent = mkdtempSync(join(tmpdir(), 'imgctl-build-test-'))
  afterAll(() => rmSync(parent, { recursive: true, force: true }))
  let count = 0
  return async (files) => {
    const root = join(parent, String(count++))
    await mkdir(root)
    await makeContext(root, { files })
    return { root, folder: join(root, 'context') }
  }
}
