import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { imgctl } from './program.ts'

const LISTED = { code: 0, stdout: '[]\n', stderr: '' }

let home: string
let compiled: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'imgctl-compiled-'))
  compiled = join(home, 'cache', 'imgctl', 'compiled')
})
afterEach(() => rm(home, { recursive: true, force: true }))

const run = (...args: string[]) => runWith({ NODE_DISABLE_COMPILE_CACHE: undefined }, ...args)
const runWith = (env: Record<string, string | undefined>, ...args: string[]) =>
  imgctl(args, {
    env: { XDG_CACHE_HOME: join(home, 'cache'), IMGCTL_CONFIG_DIR: join(home, 'config'), ...env },
  })
/** A command that needs nothing and nobody. */
const list = () => run('profile', 'list', '--format', 'json')
const files = async () =>
  (await readdir(compiled, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))

describe.runIf(typeof enableCompileCache === 'function')('the program compiled', () => {
  test('the first run keeps what it compiled; the next one adds nothing, another command what it needs', async () => {
    expect(await list()).toEqual(LISTED)
    const first = await files()
    expect(first.length).toBeGreaterThan(10)
    expect(await list()).toEqual(LISTED)
    expect(await files()).toEqual(first)
    expect(await run('cache', 'info')).toMatchObject({ code: 0 })
    expect((await files()).length).toBeGreaterThan(first.length)
  })

  test('many first runs at once: each one works, and so does the next', async () => {
    const runs = await Promise.all(Array.from({ length: 6 }, () => list()))
    expect(runs).toEqual(Array(6).fill(LISTED))
    expect(await list()).toEqual(LISTED)
  })

  test('files that are broken are compiled again', async () => {
    await list()
    for (const file of await files()) await writeFile(file, 'no code at all')
    expect(await list()).toEqual(LISTED)
  })

  test('what earlier builds left goes when a new one starts, what was made today stays', async () => {
    const yesterday = new Date(Date.now() - 25 * 3_600_000)
    for (const build of ['0.0.1-old', '0.0.2-new']) {
      await mkdir(join(compiled, build), { recursive: true, mode: 0o700 })
      await writeFile(join(compiled, build, 'code'), '')
    }
    await chmod(compiled, 0o700)
    await utimes(join(compiled, '0.0.1-old'), yesterday, yesterday)
    expect(await list()).toEqual(LISTED)
    const builds = await readdir(compiled)
    expect(builds).toHaveLength(2)
    expect(builds).toContain('0.0.2-new')
  })
})

test('a folder that others may write is not read', async () => {
  await mkdir(compiled, { recursive: true })
  await chmod(compiled, 0o777)
  expect(await list()).toEqual(LISTED)
  expect(await files()).toEqual([])
})

test('a cache folder that cannot be made costs nothing but time', async () => {
  await writeFile(join(home, 'cache'), '')
  expect(await list()).toEqual(LISTED)
})

test('NODE_DISABLE_COMPILE_CACHE turns it off', async () => {
  const off = { NODE_DISABLE_COMPILE_CACHE: '1' }
  expect(await runWith(off, 'profile', 'list', '--format', 'json')).toEqual(LISTED)
  expect(existsSync(compiled)).toBe(false)
})

test.each([['--version'], ['--help'], []])('%s makes no folder', async (...args) => {
  expect(await run(...args)).toMatchObject({ code: 0 })
  expect(existsSync(compiled)).toBe(false)
})
