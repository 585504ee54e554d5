import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

const KEY_BYTES = 32

/**
 * The key that signs the blob cache. It is kept beside the credentials and not in the cache: a cache folder is
 * restored from elsewhere (by CI, say) more lightly than those. Made when it is first needed; the first process
 * that makes it wins.
 */
export async function signingKey(file: string): Promise<Buffer> {
  const there = await readKey(file)
  if (there) return there
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const fresh = `${file}.${randomBytes(8).toString('hex')}`
  try {
    await writeFile(fresh, randomBytes(KEY_BYTES).toString('base64'), { mode: 0o600 })
    await chmod(fresh, 0o600)
    // Not rename: it would replace the key that another process has just signed with.
    await link(fresh, file).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      if (!(await readKey(file))) await writeFile(file, await readFile(fresh), { mode: 0o600 })
    })
  } finally {
    await rm(fresh, { force: true })
  }
  const key = await readKey(file)
  if (!key) throw new Error(`${file} cannot be read`)
  return key
}

async function readKey(file: string): Promise<Buffer | undefined> {
  const key = Buffer.from(await readFile(file, 'utf8').catch(() => ''), 'base64')
  return key.length === KEY_BYTES ? key : undefined
}
