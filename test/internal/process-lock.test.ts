import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withProcessLock } from '../../src/internal/process-lock.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'

const MODULE = join(import.meta.dirname, '../../src/internal/process-lock.ts')

/** A process id that no process has: of one that has ended. */
const GONE = spawnSync(process.execPath, ['-e', '']).pid

test('one at a time, and one small file stays', async () => {
  const folder = join(temporaryFolder(), 'locks')
  let inside = 0
  let most = 0
  let done = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 2))
    inside--
    done++
  }
  await Promise.all(Array.from({ length: 20 }, () => withProcessLock(folder, 'a', work)))
  expect([most, done]).toEqual([1, 20])
  expect(readdirSync(folder)).toHaveLength(1)
})

test('12 processes that add to one file lose nothing', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'count')
  writeFileSync(file, '0')
  const program = `
    const { withProcessLock } = await import(${JSON.stringify(MODULE)})
    const { readFileSync, writeFileSync } = await import('node:fs')
    for (let i = 0; i < 10; i++) await withProcessLock(${JSON.stringify(join(folder, 'locks'))}, 'count', async () => {
      const before = Number(readFileSync(${JSON.stringify(file)}, 'utf8'))
      await new Promise((resolve) => setTimeout(resolve, 1))
      writeFileSync(${JSON.stringify(file)}, String(before + 1))
    })`
  const children = Array.from({ length: 12 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' }),
  )
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]))
  expect(new Set(codes)).toEqual(new Set([0]))
  expect(readFileSync(file, 'utf8')).toBe('120')
})

test.each([
  ['a process that is gone', `${GONE}@${hostname()}`, 0],
  ['a holder that is too old to be true', `${process.pid}@${hostname()}`, 3600],
  ['one of another machine that is too old', '1@elsewhere', 3600],
  ['one that died while it wrote its name', '', 3600],
])('the lock of %s is taken over', async (_, content, ageSeconds) => {
  const folder = temporaryFolder()
  const file = join(folder, 'a.7')
  writeFileSync(file, content)
  const time = Date.now() / 1000 - ageSeconds
  utimesSync(file, time, time)
  expect(await withProcessLock(folder, 'a', async () => 'mine')).toBe('mine')
  expect(readdirSync(folder)).toEqual(['a.8'])
})

test.each([
  ['a process that lives', `${process.pid}@${hostname()}`],
  ['another machine', '1@elsewhere'],
  ['one that writes its name just now', ''],
])('the lock of %s is waited for, until the signal', async (_, content) => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'a.7'), content)
  const reason = new Error('stopped')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 100)
  const waiting = withProcessLock(folder, 'a', async () => 'mine', controller.signal)
  await expect(waiting).rejects.toBe(reason)
  expect(readFileSync(join(folder, 'a.7'), 'utf8')).toBe(content)
})

test('an action that fails lets go of the lock', async () => {
  const folder = temporaryFolder()
  const failure = new Error('failed')
  await expect(withProcessLock(folder, 'a', () => Promise.reject(failure))).rejects.toBe(failure)
  expect(await withProcessLock(folder, 'a', async () => 'next')).toBe('next')
})
