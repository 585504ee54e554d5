import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Fault } from '../support/fault.ts'
import { type FaultProxy, faultProxy, UPLOADS } from '../support/fault-proxy.ts'
import { onParts } from '../support/faults.ts'
import { until } from '../support/until.ts'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024
const IMAGE = 64 * MIB
/** Slow enough to be stopped in its middle, quick enough to wait for. */
const SLOW: Fault = { bytesPerSecond: 24 * MIB }

let server: TestServer
let folder: string
let proxy: FaultProxy | undefined
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-archives-'))
})
afterEach(async () => {
  await proxy?.close()
  proxy = undefined
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const archive = async (name: string) =>
  writeArchive(join(folder, `${name}.tar`), await savedImage({ tag: `${name}:1.0`, bytes: IMAGE }))
const throughProxy = async (target = server, fault: Fault | undefined = SLOW) => {
  const slow: { fault: Fault | undefined } = { fault }
  proxy = await faultProxy(
    target.url,
    onParts(() => slow.fault),
  )
  return { env: { ...target.env, IMGCTL_SERVER: proxy.url }, slow }
}
/** A run that is killed may leave half a note beside: later runs sweep it. */
const notes = async (of = server) => {
  const names = await readdir(join(of.folder, 'cache', 'imgctl', 'uploads')).catch(() => [])
  return names.filter((name) => !name.endsWith('.tmp'))
}

describe('a push that was killed', () => {
  test('with kill -9 at its half, and run again: less than 55 % is sent the second time', async () => {
    const path = await archive('killed')
    const { env, slow } = await throughProxy()
    const run = startImgctl(['image', 'push', path], { env })
    await until(() => proxy!.sent(UPLOADS) >= IMAGE / 2)
    run.child.kill('SIGKILL')
    await run.ended
    const [name] = await notes()
    const note = await stat(join(server.folder, 'cache', 'imgctl', 'uploads', name!))
    expect(note.mode & 0o777).toBe(0o600)

    const first = proxy!.sent(UPLOADS)
    slow.fault = undefined
    const again = await imgctl(['image', 'push', path], { env })
    expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/killed@sha256:/) })
    const second = proxy!.sent(UPLOADS) - first
    expect(second).toBeLessThanOrEqual(0.55 * IMAGE)
    expect(second).toBeGreaterThan(0)
    expect(await notes()).toEqual([])
  })

  test('with Ctrl-C: the session stays, and the next run goes on', async () => {
    const path = await archive('stopped')
    const { env, slow } = await throughProxy()
    const run = startImgctl(['image', 'push', path], { env })
    await until(() => proxy!.sent(UPLOADS) >= IMAGE / 2)
    run.child.kill('SIGINT')
    expect(await run.ended).toMatchObject({ code: 130 })
    const first = proxy!.sent(UPLOADS)
    slow.fault = undefined
    expect(await imgctl(['image', 'push', path], { env })).toMatchObject({ code: 0 })
    expect(proxy!.sent(UPLOADS) - first).toBeLessThanOrEqual(0.55 * IMAGE)
    expect(proxy!.count('DELETE')).toBe(0)
  })

  test('while its server was, too: after the restart the next run goes on', async () => {
    const own = await serve()
    try {
      const path = await archive('both')
      const { env, slow } = await throughProxy(own)
      const run = startImgctl(['image', 'push', path], { env })
      await until(() => proxy!.sent(UPLOADS) >= IMAGE / 2)
      run.child.kill('SIGKILL')
      await own.crash()
      await run.ended
      await own.restart()
      const first = proxy!.sent(UPLOADS)
      slow.fault = undefined
      expect(await imgctl(['image', 'push', path], { env })).toMatchObject({ code: 0 })
      expect(proxy!.sent(UPLOADS) - first).toBeLessThanOrEqual(0.6 * IMAGE)
    } finally {
      await own.stop()
    }
  })

  test('leaves nothing of it behind after a logout', async () => {
    const { env: given } = await throughProxy()
    const env = { ...given, IMGCTL_API_KEY: undefined, IMGCTL_CREDENTIAL_STORE: 'file' }
    const login = await imgctl(['login', '--api-key-stdin'], { env, input: server.apiKey })
    expect(login.code).toBe(0)
    const run = startImgctl(['image', 'push', await archive('left')], { env })
    await until(() => proxy!.sent(UPLOADS) >= IMAGE / 4)
    run.child.kill('SIGKILL')
    await run.ended
    expect(await notes()).toHaveLength(1)
    expect(await imgctl(['logout'], { env })).toMatchObject({ code: 0 })
    expect(await notes()).toEqual([])
  })

  test('and whose session the server forgot: it begins anew, and succeeds', async () => {
    const path = await archive('forgotten')
    const { env, slow } = await throughProxy()
    const run = startImgctl(['image', 'push', path], { env })
    await until(() => proxy!.sent(UPLOADS) >= IMAGE / 2)
    run.child.kill('SIGKILL')
    await run.ended
    const session = proxy!.of('PATCH').at(-1)!
    const { authorization } = session.headers
    const cancelled = await fetch(server.url + session.path, {
      method: 'DELETE',
      headers: { authorization: authorization! },
    })
    expect(cancelled.status).toBe(204)
    const first = proxy!.sent(UPLOADS)
    slow.fault = undefined
    expect(await imgctl(['image', 'push', path], { env })).toMatchObject({ code: 0 })
    expect(proxy!.sent(UPLOADS) - first).toBeGreaterThanOrEqual(IMAGE)
    expect(await notes()).toEqual([])
  })
})

test('two identical pushes at once never write into one session', async () => {
  const path = await archive('twins')
  const { env, slow } = await throughProxy(server, { bytesPerSecond: MIB })
  const push = () => imgctl(['image', 'push', path, '--chunk-size', '2M'], { env })
  const layers = () => proxy!.of('PATCH').filter(({ sent }) => sent > MIB)
  const bySession = () => Map.groupBy(layers(), ({ path }) => path.replace(/\?.*/, ''))
  // The second begins when there is a note that it could take, and both are at work before the first may end.
  const first = push()
  await until(async () => (await notes()).length === 1)
  const second = push()
  await until(() => bySession().size === 2)
  slow.fault = undefined
  const runs = await Promise.all([first, second])
  expect(runs.map(({ code }) => code)).toEqual([0, 0])
  expect(runs[0]!.stdout).toBe(runs[1]!.stdout)
  expect(new Set(layers().map(({ status }) => status))).toEqual(new Set([202]))
  const sums = [...bySession().values()].map((parts) => parts.reduce((sum, { sent }) => sum + sent, 0))
  expect(sums).toEqual([sums[0], sums[0]])
  expect(await notes()).toEqual([])
})

test('--limit-rate: the time of a push is that of its bytes, counted at the other end', async () => {
  const { env } = await throughProxy(server, undefined)
  const path = await writeArchive(
    join(folder, 'limited.tar'),
    await savedImage({ tag: 'limited:1.0', bytes: 6 * MIB }),
  )
  const startedAt = Date.now()
  const result = await imgctl(['image', 'push', path, '--limit-rate', '2M'], { env })
  expect(result.code).toBe(0)
  const rate = proxy!.sent(UPLOADS) / ((Date.now() - startedAt) / 1000)
  // The rest of the push takes time too: it can only be slower.
  expect(rate).toBeLessThanOrEqual(2 * MIB * 1.1)
})

test('--chunk-size: no body is larger', async () => {
  const { env } = await throughProxy(server, undefined)
  const path = await writeArchive(
    join(folder, 'chunked.tar'),
    await savedImage({ tag: 'chunked:1.0', bytes: 6 * MIB }),
  )
  expect(await imgctl(['image', 'push', path, '--chunk-size', '2M'], { env })).toMatchObject({ code: 0 })
  const patches = proxy!.of('PATCH').filter(({ sent }) => sent > 0)
  expect(Math.max(...patches.map(({ sent }) => sent))).toBeLessThanOrEqual(3 * MIB)
  expect(patches.length).toBeGreaterThanOrEqual(3)
})
