import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AuditPage } from '../../src/contract/audit.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { openServerUsers } from '../../src/server/users.ts'

let dataDir: string
let server: RunningServer
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'imgctl-audited-'))
  server = await startServer(serverSettings({ dataDir, port: 0 }), { log: pino({ level: 'silent' }) })
})
afterAll(async () => {
  await server.close()
  await rm(dataDir, { recursive: true })
})

async function audit(): Promise<AuditPage['items']> {
  const headers = { authorization: `Bearer ${server.bootstrapKey}` }
  const answer = await fetch(`${server.url}/api/audit`, { headers })
  return ((await answer.json()) as AuditPage).items
}

test('what the operator does to users is in the audit log of their organization, without secrets', async () => {
  const users = openServerUsers({ dataDir })
  const ann = { login: 'ann', name: undefined, email: undefined, organization: 'default' }
  const { link } = await users.add({ ...ann, permissions: ['read:images'] })
  await users.setPassword('ann', 'a long new password')
  await users.grant('ann', 'default', ['read:images', 'write:images'])
  const { value } = await users.createKey('ann', { name: 'ci', organization: undefined, permissions: [] })
  expect(await users.revokeKeys('ann')).toBe(1)
  await users.setEnabled('ann', false)
  await users.setEnabled('ann', true)
  await users.addOrganization('lab', undefined)
  await users.grant('ann', 'lab', ['read:images'])
  await users.revoke('ann', 'default')
  await users.remove('ann')

  const entries = await audit()
  expect(entries.map(({ action, target }) => [action, target]).reverse()).toEqual([
    ['user.add', 'ann'],
    ['user.set-password', 'ann'],
    ['user.grant', 'ann: read:images, write:images'],
    ['api-key.create', 'ci of ann'],
    ['user.revoke-keys', 'ann: 1'],
    ['user.disable', 'ann'],
    ['user.enable', 'ann'],
    ['user.revoke', 'ann'],
  ])
  for (const { user, key, address } of entries)
    expect([user, key, address]).toEqual(['operator', null, 'local'])
  const rows = await server.context.db.selectFrom('audit_log').selectAll().execute()
  expect(rows.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['organization.add', 'user.remove']),
  )
  for (const secret of [link, value, 'a long new password'])
    expect(JSON.stringify(rows)).not.toContain(secret)
})

test('what fails is not in it', async () => {
  const before = await audit()
  const users = openServerUsers({ dataDir })
  await expect(users.grant('nobody', 'default', [])).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(users.remove('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await audit()).toEqual(before)
})

test('however the operator calls a user, the entry is in their organization and names them', async () => {
  const users = openServerUsers({ dataDir })
  const eve = { login: 'Eve@Example.com', name: 'Eve E.', email: undefined, organization: 'default' }
  await users.add({ ...eve, permissions: ['read:images'] })
  const before = (await audit()).length
  await users.setupLink('EVE@example.com')
  await users.setPassword('Eve E.', 'a long new password')
  await users.createKey(' eve@example.com', { name: 'k', organization: undefined, permissions: [] })
  await users.setEnabled('EVE@EXAMPLE.COM', false)
  const entries = (await audit()).slice(0, -before).reverse()
  expect(entries.map(({ action, target }) => [action, target])).toEqual([
    ['user.setup-link', 'eve@example.com'],
    ['user.set-password', 'eve@example.com'],
    ['api-key.create', 'k of eve@example.com'],
    ['user.disable', 'eve@example.com'],
  ])
})
