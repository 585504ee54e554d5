import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sharedKey } from '../../../src/engine/build/shared-key.ts'
import { emptyEnvironment, temporaryFolder } from '../scripted-engine.ts'

const KEY = /^[0-9a-f]{64}$/
const idOf = (home: string) => join(home, '.cache', 'imgctl', 'build-client-id')

test('stays the same for a folder, and is no other folder’s or user’s', async () => {
  const [mine, yours] = [emptyEnvironment(await temporaryFolder()), emptyEnvironment(await temporaryFolder())]
  const key = await sharedKey('/app', mine)
  expect(key).toMatch(KEY)
  expect(await sharedKey('/app', mine)).toBe(key)
  expect(await sharedKey('/app2', mine)).not.toBe(key)
  expect(await sharedKey('/app', yours)).not.toBe(key)
})

test('is one for builds that start at once, and nobody else reads the id', async () => {
  const home = await temporaryFolder()
  const environment = emptyEnvironment(home)
  const keys = await Promise.all(Array.from({ length: 20 }, () => sharedKey('/app', environment)))
  expect(new Set(keys).size).toBe(1)
  expect((await stat(idOf(home))).mode & 0o777).toBe(0o600)
  expect(await readdir(join(idOf(home), '..'))).toEqual(['build-client-id'])
})

test('does not depend on an id that was cut off', async () => {
  const home = await temporaryFolder()
  const environment = emptyEnvironment(home)
  await sharedKey('/app', environment)
  await writeFile(idOf(home), 'abc')
  const key = await sharedKey('/app', environment)
  expect(await readFile(idOf(home), 'utf8')).toMatch(KEY)
  expect(await sharedKey('/app', environment)).toBe(key)
})

test('is a new one each time where no id can be kept', async () => {
  const home = await temporaryFolder()
  await writeFile(join(home, '.cache'), 'a file')
  const environment = emptyEnvironment(home)
  const [first, second] = [await sharedKey('/app', environment), await sharedKey('/app', environment)]
  expect([first, second]).toEqual([expect.stringMatching(KEY), expect.stringMatching(KEY)])
  expect(first).not.toBe(second)
})
