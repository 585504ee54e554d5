import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isCode } from '../../../src/errors/error.ts'
import { openKeys } from '../../../src/server/identity/keys.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-keys-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('openKeys', () => {
  it('makes one private file, and reads it at the next start', async () => {
    const first = await openKeys(folder)
    const [sealed, token] = [first.seal('pässword'), await first.signToken({ use: 'x' }, 60)]
    const again = await openKeys(folder)
    expect(again.unseal(sealed)).toBe('pässword')
    expect(await again.verifyToken(token)).toMatchObject({ use: 'x', iss: 'imgctl' })
    expect(await readdir(folder)).toEqual(['keys.json'])
    expect((await stat(join(folder, 'keys.json'))).mode & 0o777).toBe(0o600)
  })

  it.each(['', '{}', '{"signing":{"kty":"EC"},"sealing":"AA"}', 'not json'])(
    'refuses the key file %j and leaves it as it is',
    async (content) => {
      await writeFile(join(folder, 'keys.json'), content)
      await expect(openKeys(folder)).rejects.toSatisfy((error) => isCode(error, 'FILE_UNREADABLE'))
      expect(await readFile(join(folder, 'keys.json'), 'utf8')).toBe(content)
    },
  )

  it('makes the file private again', async () => {
    await openKeys(folder)
    await chmod(join(folder, 'keys.json'), 0o644)
    await openKeys(folder)
    expect((await stat(join(folder, 'keys.json'))).mode & 0o777).toBe(0o600)
  })
})

describe('tokens', () => {
  it('end at their time', async () => {
    let time = Date.now()
    const keys = await openKeys(folder, () => time)
    const token = await keys.signToken({ a: 1 }, 60)
    time += 59_000
    expect(await keys.verifyToken(token)).toMatchObject({ a: 1 })
    time += 1_000
    expect(await keys.verifyToken(token)).toBeUndefined()
  })

  it('of another server, changed, or unsigned are nothing', async () => {
    const keys = await openKeys(folder)
    const other = await mkdtemp(join(tmpdir(), 'imgctl-keys-'))
    const foreign = await (await openKeys(other)).signToken({ a: 1 }, 60)
    await rm(other, { recursive: true })
    const [header, , signature] = (await keys.signToken({ a: 1 }, 60)).split('.')
    const forged = Buffer.from(JSON.stringify({ a: 2, iss: 'imgctl' })).toString('base64url')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const token of [foreign, `${header}.${forged}.${signature}`, `${none}.${forged}.`, '', 'x.y.z']) {
      expect(await keys.verifyToken(token)).toBeUndefined()
    }
  })
})

describe('sealed text', () => {
  it('differs each time and cannot be changed', async () => {
    const keys = await openKeys(folder)
    const sealed = keys.seal('secret')
    expect(keys.seal('secret')).not.toBe(sealed)
    const bytes = Buffer.from(sealed, 'base64url')
    for (const at of [0, 12, bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      expect(() => keys.unseal(changed.toString('base64url'))).toThrow('cannot be read')
    }
    expect(() => keys.unseal('')).toThrow('cannot be read')
  })
})
