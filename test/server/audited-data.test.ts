import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openServerData } from '../../src/server/data.ts'
import { createLog } from '../../src/server/log.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { startServer } from '../../src/server/start.ts'
import { openServerUsers } from '../../src/server/users.ts'

const signal = new AbortController().signal

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'imgctl-audited-data-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

async function start(dataDir: string) {
  const server = await startServer(serverSettings({ dataDir, port: 0 }), { log: createLog('silent') })
  onTestFinished(() => server.close())
  const rows = () =>
    server.context.db
      .selectFrom('audit_log')
      .innerJoin('organizations', 'organizations.id', 'audit_log.organizationId')
      .select(['slug', 'action', 'target', 'userName', 'address'])
      .where('action', 'like', 'server.%')
      .orderBy('audit_log.id')
      .execute()
  const actions = async () => (await rows()).map(({ slug, action, target }) => [slug, action, target])
  return { server, rows, actions }
}

test('what the operator runs on the data is in the audit log of every organization', async () => {
  const root = await folder()
  const dataDir = join(root, 'data')
  const first = await start(dataDir)
  await openServerUsers({ dataDir }).addOrganization('lab', undefined)
  const data = openServerData({ dataDir }, { warn: (text) => expect.unreachable(text) })
  await data.check({ signal })
  await data.previewCollection()
  await data.collect(signal)
  const target = join(root, 'backup')
  await data.backup(target, { signal })
  // While the server runs there is no repair, and nothing to tell of.
  await expect(data.repair({ signal })).rejects.toMatchObject({ code: 'CONFLICT' })
  await expect(data.backup(target, { signal })).rejects.toMatchObject({ code: 'CONFLICT' })
  const told = [
    ['server.check', 'found wrong: 0'],
    ['server.gc', 'blobs removed: 0'],
    ['server.backup', target],
  ].flatMap(([action, what]) => [
    ['default', action, what],
    ['lab', action, what],
  ])
  expect(await first.actions()).toEqual(told)
  for (const { userName, address } of await first.rows())
    expect([userName, address]).toEqual(['operator', 'local'])

  await first.server.close()
  await data.repair({ signal })
  await data.collect(signal)
  const again = await start(dataDir)
  expect((await again.actions()).slice(told.length)).toEqual([
    ['default', 'server.repair', 'blobs forgotten: 0'],
    ['lab', 'server.repair', 'blobs forgotten: 0'],
    ['default', 'server.gc', 'blobs removed: 0'],
    ['lab', 'server.gc', 'blobs removed: 0'],
  ])
})

test('a backup stays as it is while it is checked; a start on it is a restoration, told once', async () => {
  const root = await folder()
  const first = await start(join(root, 'data'))
  const target = join(root, 'backup')
  const now = () => Date.parse('2026-02-03T04:05:06Z')
  await openServerData({ dataDir: join(root, 'data') }, { now }).backup(target, { signal })
  await first.server.close()
  const bytes = () => readFile(join(target, 'imgctl.db'))
  const before = await bytes()
  const data = openServerData({ dataDir: target }, { warn: (text) => expect.unreachable(text) })
  expect((await data.check({ signal })).findings).toEqual([])
  expect((await bytes()).equals(before)).toBe(true)

  const told = ['default', 'server.restore', 'backup of 2026-02-03T04:05:06.000Z']
  const restored = await start(target)
  expect(await restored.actions()).toEqual([told])
  await data.check({ signal })
  await restored.server.close()
  const later = await start(target)
  expect(await later.actions()).toEqual([told, ['default', 'server.check', 'found wrong: 0']])
})

test('a log that cannot be written is told, and the work stands', async () => {
  const root = await folder()
  const dataDir = join(root, 'data')
  const { server } = await start(dataDir)
  const warnings: string[] = []
  const data = openServerData({ dataDir }, { warn: (text) => warnings.push(text) })
  await server.context.db.schema.dropTable('audit_log').execute()
  expect((await data.check({ signal })).findings).toEqual([])
  expect(warnings).toEqual([expect.stringContaining(`The audit log of ${dataDir} could not be written`)])
})
