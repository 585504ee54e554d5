import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openServerData } from '../../../src/server/data.ts'
import { createLog } from '../../../src/server/log.ts'
import { serverSettings } from '../../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../../src/server/start.ts'
import { basic, Client, sha256 } from '../registry-context.ts'

const signal = new AbortController().signal

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'imgctl-backup-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

async function start(dataDir: string): Promise<RunningServer> {
  const server = await startServer(serverSettings({ dataDir, port: 0 }), { log: createLog('silent') })
  onTestFinished(() => server.close())
  return server
}

const clientOf = (server: RunningServer, key: string) =>
  new Client({ url: server.url, port: server.port, close: async () => {} }, basic(key))

test('taken while pushes and deletes go on, it starts as a server that has all it knows', async () => {
  const root = await folder()
  const server = await start(join(root, 'data'))
  const key = server.bootstrapKey!
  const client = clientOf(server, key)
  for (let i = 0; i < 5; i++) await client.pushImage('default/app', `before-${i}`, `layer ${i}`)
  let isBusy = true
  const traffic = (async () => {
    for (let i = 0; isBusy; i++) {
      const { layer } = await client.pushImage('default/busy', `${i}`, `busy ${i}`)
      await client.call('DELETE', `/v2/default/busy/manifests/${i}`, 202)
      // As a collection does it, and at once.
      await server.context.db.deleteFrom('manifests').where('repositoryId', '=', 2).execute()
      await client.call('DELETE', `/v2/default/busy/blobs/${layer}`, 202)
    }
  })()
  const targets = ['one', 'two', 'three'].map((name) => join(root, name))
  for (const target of targets) {
    await openServerData({ dataDir: join(root, 'data') }).backup(target, { signal })
  }
  isBusy = false
  await traffic
  await server.close()
  await rm(join(root, 'data'), { recursive: true })

  for (const target of targets) {
    expect((await readdir(target)).sort()).toEqual(['blobs', 'imgctl.db', 'keys.json'])
    const data = openServerData({ dataDir: target })
    expect((await data.check({ signal })).findings).toEqual([])
    const restored = await start(target)
    expect(restored.bootstrapKey).toBeUndefined()
    const restoredClient = clientOf(restored, key)
    const listed = await restoredClient.call('GET', '/v2/default/app/tags/list', 200)
    const { tags } = (await listed.json()) as { tags: string[] }
    expect(tags).toEqual([0, 1, 2, 3, 4].map((i) => `before-${i}`))
    for (const tag of tags) {
      const answer = await restoredClient.call('GET', `/v2/default/app/manifests/${tag}`, 200)
      const manifest = (await answer.json()) as { config: { digest: string }; layers: { digest: string }[] }
      for (const { digest } of [manifest.config, ...manifest.layers]) {
        const blob = await restoredClient.call('GET', `/v2/default/app/blobs/${digest}`, 200)
        expect(sha256(await blob.text())).toBe(digest)
      }
    }
    await restoredClient.pushImage('default/app', 'after', 'after')
    await restored.close()
  }
})

test('blobs are hard links where that is possible, and nobody else can look into it', async () => {
  const root = await folder()
  const server = await start(join(root, 'data'))
  const { layer } = await clientOf(server, server.bootstrapKey!).pushImage('default/app', '1.0', 'layer')
  const target = join(root, 'deep', 'backup')
  const report = await openServerData({ dataDir: join(root, 'data') }).backup(target, { signal })
  expect(report).toMatchObject({ blobs: 2, copiedBytes: 0 })
  const hex = layer.slice('sha256:'.length)
  expect((await stat(join(target, 'blobs', 'sha256', hex.slice(0, 2), hex))).nlink).toBe(2)
  for (const [name, mode] of [
    ['.', 0o700],
    ['imgctl.db', 0o600],
    ['keys.json', 0o600],
  ] as const) {
    expect((await stat(join(target, name))).mode & 0o777, name).toBe(mode)
  }
})

test('uploads under way are not in it, and their sessions neither', async () => {
  const root = await folder()
  const server = await start(join(root, 'data'))
  const client = clientOf(server, server.bootstrapKey!)
  await client.call('PATCH', await client.upload('default/app'), 202, { body: 'half' })
  const target = join(root, 'backup')
  await openServerData({ dataDir: join(root, 'data') }).backup(target, { signal })
  await server.close()
  const restored = await start(target)
  expect(await restored.context.db.selectFrom('uploads').selectAll().execute()).toEqual([])
})

test('a folder with something in it is left alone', async () => {
  const root = await folder()
  await (await start(join(root, 'data'))).close()
  const target = join(root, 'full')
  await mkdir(target)
  await writeFile(join(target, 'mine'), 'x')
  const data = openServerData({ dataDir: join(root, 'data') })
  await expect(data.backup(target, { signal })).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await readdir(target)).toEqual(['mine'])
})

test('a backup that is broken off, or finds a blob gone, leaves nothing', async () => {
  const root = await folder()
  const server = await start(join(root, 'data'))
  const { layer } = await clientOf(server, server.bootstrapKey!).pushImage('default/app', '1.0', 'layer')
  const data = openServerData({ dataDir: join(root, 'data') })
  const stop = new AbortController()
  const target = join(root, 'backup')
  const broken = data.backup(target, { signal: stop.signal, onProgress: () => stop.abort(new Error('stop')) })
  await expect(broken).rejects.toThrow('stop')
  expect(await readdir(root)).toEqual(['data'])

  await mkdir(target)
  const hex = layer.slice('sha256:'.length)
  await rm(join(root, 'data', 'blobs', 'sha256', hex.slice(0, 2), hex))
  await expect(data.backup(target, { signal })).rejects.toMatchObject({ code: 'BLOB_MISSING' })
  expect(await readdir(target)).toEqual([])
})

test('no folder, and the folder of another version', async () => {
  const root = await folder()
  const data = openServerData({ dataDir: join(root, 'none') })
  await expect(data.check({ signal })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', exitCode: 3 })
  await expect(data.collect(signal)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
  expect(await readdir(root)).toEqual([])
  const server = await start(join(root, 'data'))
  await server.context.db
    .insertInto('kysely_migration' as never)
    .values({ name: '999-future', timestamp: '' } as never)
    .execute()
  await server.close()
  const newer = openServerData({ dataDir: join(root, 'data') })
  await expect(newer.check({ signal })).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
})
