import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openServerData } from '../../src/server/data.ts'
import { createLog } from '../../src/server/log.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { openServerUsers } from '../../src/server/users.ts'
import { openIssuer } from '../server/issuer/open-issuer.ts'
import { basic, Client } from '../server/registry-context.ts'

const MIB = 1024 * 1024
const DISK_BYTES = 32 * MIB
const LAYER_BYTES = 2 * MIB

/** A disk that is really full needs a file system of its own, and root to mount it. */
const canMount = process.platform === 'linux' && process.getuid?.() === 0

let folder: string
let dataDir: string
let server: RunningServer
let key: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-full-'))
  const disk = join(folder, 'disk')
  await mkdir(disk)
  if (!canMount) return
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'imgctl-test', disk])
  dataDir = join(disk, 'data')
  await start()
  key = server.bootstrapKey!
  await server.context.reserve.refill()
})

afterEach(async () => {
  if (canMount) {
    await server.close().catch(() => {})
    execFileSync('umount', [join(folder, 'disk')])
  }
  await rm(folder, { recursive: true, force: true })
})

async function start(): Promise<void> {
  const settings = serverSettings({ dataDir, port: 0, graceMs: 0 })
  server = await startServer(settings, { log: createLog('silent') })
}

function client(): Client {
  const { url, port } = server
  return new Client({ url, port, close: async () => {} }, basic(key))
}

const call = (method: string, path: string) =>
  fetch(server.url + path, { method, headers: { authorization: `Bearer ${key}` } })

/** Pushes images until there is no byte left. @returns the tags that were acknowledged */
async function fill(): Promise<string[]> {
  const tags: string[] = []
  for (let i = 0; ; i++) {
    const pushed = await client()
      .pushImage('default/app', `${i}`, randomBytes(LAYER_BYTES / 2).toString('hex'))
      .then(() => true)
      .catch((error: Error) => {
        expect(error.message).toContain(' answered 507')
        return false
      })
    if (!pushed) break
    tags.push(`${i}`)
  }
  await takeTheRest()
  return tags
}

/** Somebody else's file on the same disk takes every page that is left. */
async function takeTheRest(): Promise<void> {
  const file = await open(join(folder, 'disk', 'other'), 'a')
  for (let bytes = MIB; bytes >= 4096; ) {
    const written = await file.write(randomBytes(bytes)).catch(() => ({ bytesWritten: 0 }))
    if (written.bytesWritten < bytes) bytes /= 2
  }
  await file.close()
  expect((await statfs(dataDir)).bavail).toBe(0)
}

test.runIf(canMount)(
  'on a full disk images are deleted, their space comes back, and pushes go on',
  async () => {
    const tags = await fill()
    expect(tags.length).toBeGreaterThan(3)
    for (const [i, tag] of tags.entries()) {
      const path = i % 2 === 0 ? `/api/images/app:${tag}` : `/v2/default/app/manifests/${tag}`
      const answer = await call('DELETE', path)
      expect([path, answer.status, i % 2 ? '' : await answer.text()]).toEqual([
        path,
        i % 2 ? 202 : 200,
        i % 2 ? '' : expect.stringContaining('freedBytes'),
      ])
      expect((await call('GET', `/v2/default/app/manifests/${tag}`)).status).toBe(404)
    }
    await openServerData({ dataDir }).collect(new AbortController().signal)
    const { bavail, bsize } = await statfs(dataDir)
    expect(bavail * bsize).toBeGreaterThan(4 * LAYER_BYTES)
    await client().pushImage('default/app', 'after', 'layer')
    // The reserve is whole again, for the next time.
    expect(await readdir(join(dataDir, 'reserve'))).toHaveLength(8)
    const report = await openServerData({ dataDir }).check({ signal: new AbortController().signal })
    expect(report.findings).toEqual([])
  },
)

test.runIf(canMount)('a server that is started on a full disk deletes too', async () => {
  const [tag] = await fill()
  await server.close()
  await start()
  expect((await call('DELETE', `/api/images/app:${tag}`)).status).toBe(200)
  expect((await call('GET', `/v2/default/app/manifests/${tag}`)).status).toBe(404)
})

test.runIf(canMount)(
  'without its reserve a delete says that the disk is full, and nothing is half deleted',
  async () => {
    const [tag] = await fill()
    await rm(join(dataDir, 'reserve'), { recursive: true })
    await mkdir(join(dataDir, 'reserve'))
    await takeTheRest()
    const answer = await call('DELETE', `/api/images/app:${tag}`)
    expect(answer.status).toBe(507)
    expect(await answer.json()).toMatchObject({ code: 'DISK_FULL' })
    expect((await call('GET', `/v2/default/app/manifests/${tag}`)).status).toBe(200)
  },
)

test.runIf(canMount)(
  'a disk that takes no more files fails nothing that only wants its reserve back',
  async () => {
    const reserve = join(dataDir, 'reserve')
    await rm(reserve, { recursive: true })
    await mkdir(reserve)
    const { files, ffree } = await statfs(dataDir)
    execFileSync('mount', ['-o', `remount,nr_inodes=${files - ffree}`, join(folder, 'disk')])
    await server.context.reserve.refill()
    expect(await readdir(reserve)).toEqual([])
  },
)

test.runIf(canMount)('who is logged in stays so on a full disk, and can log out', async () => {
  await server.close()
  const open = await openIssuer({ graceMs: 0 }, dataDir)
  server = open.server
  await open.addUser('alice', ['read:images', 'write:images', 'delete:images'])
  const { refresh_token: first } = await open.logIn('alice')
  key = (await open.refresh(first)).body.access_token
  await server.context.reserve.refill()
  const [tag] = await fill()
  const { status, body } = await open.refresh(first)
  expect(status).toBe(200)
  key = body.access_token
  expect((await call('DELETE', `/api/images/app:${tag}`)).status).toBe(200)
  await takeTheRest()
  const token = new URLSearchParams({ token: body.refresh_token, client_id: 'imgctl' })
  expect((await fetch(`${open.issuer}/revoke`, { method: 'POST', body: token })).status).toBe(200)
  expect((await call('GET', '/api/images')).status).toBe(401)
})

test.runIf(canMount)('who must lose access loses it on a full disk, and the audit log has it', async () => {
  const create = (name: string) =>
    fetch(`${server.url}/api/api-keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name, permissions: ['read:images'] }),
    }).then((answer) => answer.json() as Promise<{ value: string }>)
  const leaked = await create('leaked')
  const registry = { name: 'r', url: 'r.test', username: 'u', password: 'p' }
  const added = await fetch(`${server.url}/api/docker-registry`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(registry),
  })
  const { id } = (await added.json()) as { id: string }
  await fill()
  expect((await call('DELETE', '/api/api-keys/leaked')).status).toBe(204)
  await takeTheRest()
  expect((await call('DELETE', `/api/docker-registry/${id}`)).status).toBe(204)
  await takeTheRest()
  await openServerUsers({ dataDir }).setEnabled('administrator', false)
  const answer = await fetch(`${server.url}/api/images`, {
    headers: { authorization: `Bearer ${leaked.value}` },
  })
  expect(answer.status).toBe(401)
  expect((await call('GET', '/api/images')).status).toBe(401)
  const entries = await server.context.db.selectFrom('audit_log').select('action').execute()
  expect(entries.map(({ action }) => action).slice(-3)).toEqual([
    'api-key.revoke',
    'registry.delete',
    'user.disable',
  ])
})
