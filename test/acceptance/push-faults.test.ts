import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { FaultFor } from '../support/fault.ts'
import { type FaultProxy, faultProxy } from '../support/fault-proxy.ts'
import { onParts, onUploads, refusal, times } from '../support/faults.ts'
import { until } from '../support/until.ts'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, jsonError, serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024

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

const push = (path: string, env = {}, ...args: string[]) =>
  imgctl(['image', 'push', path, '--progress', 'json', ...args], { env: { ...server.env, ...env } })
const archive = async (tag: string, bytes = 1000) =>
  writeArchive(join(folder, `${tag.replace(/\W/g, '-')}.tar`), await savedImage({ tag, bytes }))
const throughProxy = async (faultFor: FaultFor) => {
  proxy = await faultProxy(server.url, faultFor)
  return { IMGCTL_SERVER: proxy.url }
}

describe('who is not let in', () => {
  test('with a key that nobody has', async () => {
    const result = await push(await archive('key:1.0'), { IMGCTL_API_KEY: `img_${'A'.repeat(43)}` })
    expect(result.code).toBe(4)
    expect(jsonError(result)).toMatchObject({
      code: 'AUTH_REQUIRED',
      hint: expect.stringContaining('imgctl login'),
    })
  })

  test('with a key that was revoked', async () => {
    const name = 'short-lived'
    const { value } = await api('POST', '/api/api-keys', {
      name,
      permissions: ['read:images', 'write:images'],
    })
    const path = await archive('revoked:1.0')
    expect(await push(path, { IMGCTL_API_KEY: value })).toMatchObject({ code: 0 })
    await api('DELETE', `/api/api-keys/${name}`)
    const result = await push(path, { IMGCTL_API_KEY: value })
    expect(result.code).toBe(4)
    expect(jsonError(result)).toMatchObject({ code: 'AUTH_REQUIRED' })
  })

  test('with a key that may only read', async () => {
    const { value } = await api('POST', '/api/api-keys', { name: 'reader', permissions: ['read:images'] })
    const result = await push(await archive('reader:1.0'), { IMGCTL_API_KEY: value })
    expect(result.code).toBe(4)
    expect(jsonError(result)).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('write:images'),
    })
  })

  test('without any key', async () => {
    const result = await push(await archive('nobody:1.0'), { IMGCTL_API_KEY: undefined })
    expect(result.code).toBe(4)
    expect(jsonError(result)).toMatchObject({ code: 'AUTH_REQUIRED' })
  })
})

describe('a server that is not what it should be', () => {
  test('not there', async () => {
    const result = await push(await archive('gone:1.0'), { IMGCTL_SERVER: 'http://127.0.0.1:1' })
    expect(result.code).toBe(8)
    expect(jsonError(result)).toMatchObject({ code: 'SERVER_UNREACHABLE' })
  })

  test('answers HTML', async () => {
    const html = {
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: '<html><h1>Welcome to nginx!',
    }
    const result = await push(await archive('html:1.0'), await throughProxy(() => ({ answer: html })))
    expect(result.code).toBe(1)
    expect(jsonError(result)).toMatchObject({ code: 'SERVER_ERROR' })
    expect(result.stderr).not.toContain('Unexpected token')
  })
})

describe('a registry that refuses the upload', () => {
  test.each([
    [401, 4, 'AUTH_REQUIRED'],
    [403, 4, 'FORBIDDEN'],
    [404, 3, 'NOT_FOUND'],
    [413, 5, 'TOO_LARGE'],
    [429, 8, 'RATE_LIMITED'],
    [500, 1, 'REGISTRY_ERROR'],
  ])('with %i: exit %i, %s, and the name stays free', async (status, exit, code) => {
    const tag = `refused:s${status}`
    const headers: Record<string, string> = status === 429 ? { 'retry-after': '0' } : {}
    const env = await throughProxy(onUploads({ answer: { status, headers, body: '<html>no' } }))
    const result = await push(await archive(tag), env)
    expect(jsonError(result)).toMatchObject({ code })
    expect(result.code).toBe(exit)
    expect(await names()).not.toContain(tag)
  })

  test.each([429, 500, 503])('with %i once: it is tried again', async (status) => {
    const busy = refusal(status, 'UNAVAILABLE', { 'retry-after': '0' })
    const env = await throughProxy(times(1, onUploads(busy)))
    expect(await push(await archive(`again:s${status}`), env)).toMatchObject({ code: 0 })
    expect(proxy!.exchanges.filter((each) => each.status === status)).toHaveLength(1)
  })
})

describe('two pushes of one name at once', () => {
  test('of two images: one wins, the other is told, and the name is the winner’s', async () => {
    const paths = [await archive('rivals:1.0', MIB), await archive('rivals:1.0-b', MIB)]
    const results = await Promise.all(paths.map((path) => push(path, {}, '--name', 'rivals:1.0')))
    expect(results.map(({ code }) => code).sort()).toEqual([0, 7])
    const winner = results.find(({ code }) => code === 0)!
    const loser = results.find(({ code }) => code === 7)!
    expect(jsonError(loser)).toMatchObject({ code: 'NAME_TAKEN' })
    const { digest } = await api('GET', '/api/images/rivals:1.0')
    expect(winner.stdout).toContain(digest)
  })
})

describe('a run that ends early', () => {
  test('by Ctrl-C in the middle of an upload: 130, one line, no name taken', async () => {
    const env = await throughProxy(onParts({ silent: true }))
    const path = await archive('stopped:1.0', 2 * MIB)
    const run = startImgctl(['image', 'push', path], { env: { ...server.env, ...env } })
    await until(() => proxy!.count('PATCH') > 0)
    run.child.kill('SIGINT')
    const result = await run.ended
    expect(result).toMatchObject({ code: 130, stdout: '' })
    expect(result.stderr).toMatch(/^interrupted$/m)
    expect(await names()).not.toContain('stopped:1.0')
  })

  test('because the server was killed: run again after its restart, it succeeds, and nothing older is lost', async () => {
    const own = await serve()
    try {
      const env = { ...own.env }
      const before = await imgctl(['image', 'push', await archive('kept:1.0'), '--quiet'], { env })
      expect(before.code).toBe(0)
      proxy = await faultProxy(own.url, onParts({ silent: true }))
      const path = await archive('killed:1.0', 2 * MIB)
      const run = startImgctl(['image', 'push', path, '--progress', 'json'], {
        env: { ...env, IMGCTL_SERVER: proxy.url },
      })
      await until(() => proxy!.count('PATCH') > 0)
      await own.crash()
      await proxy.close()
      expect([1, 8]).toContain((await run.ended).code)
      await own.restart()
      expect(await imgctl(['image', 'push', path, '--quiet'], { env })).toMatchObject({ code: 0 })
      const listed = await imgctl(['image', 'list', '--format', '{{.Name}} {{.State}}'], { env })
      expect(listed.stdout.trim().split('\n').sort()).toEqual(['kept:1.0 active', 'killed:1.0 active'])
      const pinned = before.stdout.trim().split('/').at(-1)!.split('@')
      expect(await manifestStatus(own, pinned[0]!, pinned[1]!)).toBe(200)
    } finally {
      await own.stop()
    }
  })

  test('stdin closed at the descriptor: it works, since nothing is asked', async () => {
    const path = await archive('closed:1.0')
    const program = join(import.meta.dirname, '../../bin/imgctl.js')
    const script = `"${process.execPath}" "${program}" image push "${path}" --quiet <&-`
    const output = execFileSync('sh', ['-c', script], {
      env: { PATH: process.env['PATH'], ...server.env },
      encoding: 'utf8',
    })
    expect(output).toMatch(/\/default\/closed@sha256:/)
  })
})

describe.runIf(process.platform === 'linux' && process.getuid?.() === 0)('a disk that is full', () => {
  test('the server’s: a clear error, no half blob, and smaller images still fit', async () => {
    const disk = await smallDisk(join(folder, 'disk'), '12m')
    const own = await serve(['--data', join(disk.path, 'data')])
    try {
      const large = await push(await archive('large:1.0', 24 * MIB), own.env)
      expect(jsonError(large)).toMatchObject({ code: 'DISK_FULL' })
      expect(large.code).toBe(1)
      expect(await imgctl(['image', 'list', '--quiet'], { env: own.env })).toMatchObject({
        code: 0,
        stdout: '',
      })
      expect(await push(await archive('small:1.0'), own.env)).toMatchObject({ code: 0 })
    } finally {
      await own.stop()
      disk.unmount()
    }
  })

  test('the temporary folder’s, while a compressed archive is opened: nothing is left', async () => {
    const disk = await smallDisk(join(folder, 'tmp'), '1m')
    try {
      const path = await writeArchive(
        join(folder, 'wide.tar.gz'),
        await savedImage({ tag: 'wide:1.0', bytes: 4 * MIB }),
      )
      const result = await push(path, { TMPDIR: disk.path })
      expect(jsonError(result)).toMatchObject({ code: 'DISK_FULL' })
      expect(result.code).toBe(1)
      expect(await readdir(disk.path)).toEqual([])
    } finally {
      disk.unmount()
    }
  })
})

async function smallDisk(path: string, size: string) {
  await mkdir(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'imgctl-test', path])
  return { path, unmount: () => execFileSync('umount', ['--lazy', path]) }
}

async function api(method: string, path: string, body?: object) {
  const answer = await fetch(server.url + path, {
    method,
    headers: {
      authorization: `Bearer ${server.apiKey}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : {}
}

async function names(): Promise<string[]> {
  const { items } = await api('GET', '/api/images?limit=200')
  return items.map(({ name }: { name: string }) => name)
}

async function manifestStatus(of: TestServer, repository: string, digest: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`any:${of.apiKey}`).toString('base64')}`
  const answer = await fetch(`${of.url}/v2/default/${repository}/manifests/${digest}`, {
    headers: { authorization },
  })
  return answer.status
}
