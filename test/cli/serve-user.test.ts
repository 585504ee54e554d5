import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { API_KEY } from '../../src/contract/identity.ts'
import { createLog } from '../../src/server/log.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { startServer } from '../../src/server/start.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'
import { Browser } from '../server/issuer/browser.ts'
import { runCli, startCli } from './run-cli.ts'

async function start(settings: object = {}) {
  const dataDir = join(temporaryFolder(), 'data')
  const server = await startServer(serverSettings({ dataDir, port: 0, ...settings }), {
    log: createLog('silent'),
  })
  onTestFinished(() => server.close())
  const user = (...args: string[]) => runCli(['serve', 'user', ...args, '--data', dataDir])
  const organization = (...args: string[]) => runCli(['serve', 'organization', ...args, '--data', dataDir])
  const me = async (key: string) => {
    const response = await fetch(`${server.url}/api/users/me`, {
      headers: { authorization: `Bearer ${key}` },
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { server, dataDir, user, organization, me }
}

test('a user is let in beside the running server, with a link that it knows', async () => {
  const { server, user } = await start()
  const added = await user('add', 'Alice', '--name', 'Alice A')
  expect([added.code, added.err]).toEqual([
    0,
    expect.stringContaining('alice sets a password with this link'),
  ])
  expect(added.out).toMatch(new RegExp(`^${server.url}/oidc/setup/[\\w-]{43}\n$`))
  expect((await new Browser().get(added.out.trim())).status).toBe(200)
  const { out } = await user('list', '--format', 'json')
  expect(JSON.parse(out)).toMatchObject([
    { login: 'administrator', state: 'invited', apiKeys: 1, memberships: [{ organization: 'default' }] },
    {
      login: 'alice',
      name: 'Alice A',
      state: 'invited',
      memberships: [{ permissions: ['read:images', 'write:images'] }],
    },
  ])
  const table = await user('list')
  expect(table.out).toContain('alice\tAlice A\tinvited\t0\tdefault: read:images,write:images')
})

test.each([
  [['add', 'administrator'], 7, /there is a user administrator already/],
  [['add', 'no spaces'], 2, /cannot be a user name/],
  [['add', 'bob', '--organization', 'none'], 3, /no organization "none"/],
  [['add', 'bob', '--permission', 'fly'], 2, /one of: read:images/],
  [['passwd', 'nobody'], 3, /no user "nobody"/],
  [['grant', 'administrator'], 2, /--permission/],
  [['grant', 'nobody', '--permission', 'admin'], 3, /no user/],
  [['revoke', 'administrator', '--organization', 'none'], 3, /no organization/],
  [['key', 'administrator', '--organization', 'none'], 3, /not in the organization none/],
  [['remove', 'administrator'], 2, /answer with --yes/],
  [['remove', 'nobody', '--yes'], 3, /no user/],
  [['list', '--port', '1'], 2, /unknown option/],
])('serve user %j fails with exit %i, and nothing changes', async (args, code, words) => {
  const { user, server } = await start()
  const users = () => server.context.db.selectFrom('users').selectAll().execute()
  const before = await users()
  const result = await user(...args)
  expect([result.code, result.out]).toEqual([code, ''])
  expect(result.err).toMatch(words)
  expect(await users()).toEqual(before)
  expect((await user('list')).code).toBe(0)
})

test('a new link ends the one before', async () => {
  const { server, user } = await start()
  const { out } = await user('passwd', 'administrator')
  expect((await new Browser().get(server.setupLink!)).status).toBe(410)
  expect((await new Browser().get(out.trim())).status).toBe(200)
})

test('a password is taken from stdin, and refused when it is short', async () => {
  const { dataDir, server } = await start()
  const set = async (password: string) => {
    const { run, err } = startCli(
      ['serve', 'user', 'passwd', 'administrator', '--password-stdin', '--data', dataDir],
      {
        input: password,
      },
    )
    return { code: await run.exitCode, err: err() }
  }
  const short = await set('short\n')
  expect([short.code, short.err]).toEqual([2, expect.stringContaining('use at least 12 characters')])
  expect((await set('')).code).toBe(2)
  const done = await set('correct horse battery\n')
  expect([done.code, done.err]).toEqual([0, expect.stringContaining('is set')])
  const { checkPassword } = await import('../../src/server/identity/accounts.ts')
  expect(await checkPassword(server.context, 'administrator', 'correct horse battery')).toBeDefined()
})

test('a new password leaves API keys, says how many, and --revoke-keys ends them', async () => {
  const { dataDir, server, user, me } = await start()
  const ci = (await user('key', 'administrator', '--name', 'ci')).out.trim()
  await user('add', 'bob')
  const other = (await user('key', 'bob')).out.trim()
  const passwd = async (...args: string[]) => {
    const command = ['serve', 'user', 'passwd', 'administrator', ...args, '--data', dataDir]
    const { run, err, out } = startCli(command, { input: 'correct horse battery\n' })
    return { code: await run.exitCode, err: err(), out: out() }
  }
  const stay = 'Their 2 API keys stay: they end one with imgctl key revoke, --revoke-keys ends all\n'
  const set = await passwd('--password-stdin')
  expect([set.code, set.out]).toEqual([0, ''])
  expect(set.err).toBe(`The password of administrator is set; their logins have ended\n${stay}`)
  const link = await passwd()
  expect(link.err).toContain(stay)
  expect(JSON.parse((await passwd('--format', 'json')).out)).toMatchObject({
    user: 'administrator',
    apiKeys: 2,
  })
  // A password that is refused ends nothing.
  const bad = startCli(
    ['serve', 'user', 'passwd', 'administrator', '--password-stdin', '--revoke-keys', '--data', dataDir],
    { input: 'short' },
  )
  expect(await bad.run.exitCode).toBe(2)
  for (const key of [ci, server.bootstrapKey!]) expect((await me(key)).status).toBe(200)

  const revoked = await passwd('--revoke-keys', '--format', 'json')
  expect([revoked.code, revoked.err]).toEqual([0, 'Revoked their 2 API keys\n'])
  expect(JSON.parse(revoked.out)).toMatchObject({ user: 'administrator', apiKeys: 0 })
  for (const key of [ci, server.bootstrapKey!]) expect((await me(key)).status).toBe(401)
  expect((await me(other)).status).toBe(200)
  const again = await passwd('--password-stdin', '--revoke-keys')
  expect([again.code, again.err]).toEqual([0, expect.stringContaining('They have no API keys\n')])
  expect((await user('passwd', 'nobody', '--revoke-keys')).code).toBe(3)
})

test('a lost first key is replaced, and survives the revocation of the first', async () => {
  const { server, user, me } = await start()
  const { code, out, err } = await user('key', 'administrator', '--name', 'second')
  expect([code, out.trim()]).toEqual([0, expect.stringMatching(API_KEY)])
  expect(err).toContain('shown this once')
  const key = out.trim()
  expect((await me(key)).body).toMatchObject({
    keyName: 'second',
    permissions: expect.arrayContaining(['admin']),
  })
  await fetch(`${server.url}/api/api-keys/first`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${server.bootstrapKey}` },
  })
  expect((await me(server.bootstrapKey!)).status).toBe(401)
  expect((await me(key)).status).toBe(200)
  expect((await user('key', 'administrator', '--name', 'second')).code).toBe(7)
})

test('permissions and disabling count from the next request on', async () => {
  const { user, organization, me } = await start()
  expect((await organization('add', 'team', '--name', 'The Team')).out).toBe('team\n')
  expect((await organization('add', 'Team!')).code).toBe(2)
  expect((await organization('add', 'team')).code).toBe(7)
  await user('add', 'bob', '--organization', 'team', '--permission', 'read:images,write:images')
  const key = (await user('key', 'bob')).out.trim()
  expect((await me(key)).body).toMatchObject({ organization: { slug: 'team' } })
  await user('grant', 'bob', '--organization', 'team', '--permission', 'read:images')
  expect((await me(key)).body).toMatchObject({ permissions: ['read:images'] })
  expect((await user('disable', 'bob')).err).toBe(
    '✓ bob is disabled: logins, API keys and pushes stop with the next request; nothing is deleted\n',
  )
  expect((await me(key)).status).toBe(401)
  expect((await user('key', 'bob')).code).toBe(7)
  expect((await user('enable', 'bob')).err).toBe(
    '✓ bob is enabled: the password and the API keys work as before\n',
  )
  expect((await me(key)).status).toBe(200)
  await user('revoke', 'bob', '--organization', 'team')
  expect((await me(key)).status).toBe(401)
  const { out } = await organization('list', '--format', 'json')
  expect(JSON.parse(out)).toMatchObject([
    { slug: 'default', users: 1 },
    { slug: 'team', users: 0 },
  ])
})

test('an organization gets a quota of its own, and loses it', async () => {
  const { organization, server } = await start()
  const set = (...args: string[]) => organization('set', ...args)
  const done = await set('default', '--quota', '500M')
  expect([done.code, done.out]).toEqual([0, ''])
  expect(done.err).toBe('✓ default may store 524 MB; it has 0 B\n')
  const listed = JSON.parse((await organization('list', '--format', 'json')).out)
  expect(listed).toMatchObject([{ slug: 'default', storageQuota: 500 * 1024 ** 2, storedBytes: 0 }])
  const json = await set('default', '--quota', 'default', '--format', 'json')
  expect([json.code, json.err]).toEqual([0, ''])
  expect(JSON.parse(json.out)).toMatchObject({ slug: 'default', storageQuota: null })
  for (const [args, code, words] of [
    [['none', '--quota', '1G'], 3, /no organization "none"/],
    [['default'], 2, /nothing to change/],
    [['default', '--quota', '-1'], 2, /./],
    [['default', '--quota', 'much'], 2, /takes a size from 1 to 1048576G/],
    [['default', '--quota', '0'], 2, /takes a size/],
  ] as const) {
    const refused = await set(...args)
    expect([refused.code, refused.err]).toEqual([code, expect.stringMatching(words)])
  }
  const rows = await server.context.db
    .selectFrom('audit_log')
    .select(['action', 'target', 'userName'])
    .execute()
  expect(rows).toEqual([
    { action: 'organization.set-quota', target: 'default: 524288000', userName: 'operator' },
    { action: 'organization.set-quota', target: 'default: default', userName: 'operator' },
  ])
})

test('who removes a user of another issuer hears that their next login makes them anew', async () => {
  const { user, server } = await start()
  const { db } = server.context
  const row = { id: 'u-1', name: 'Alice', email: null, createdAt: 1, disabledAt: null }
  await db.insertInto('users').values(row).execute()
  await db
    .insertInto('identities')
    .values({ issuer: 'https://id.test', subject: 's', userId: 'u-1' })
    .execute()
  const { code, err } = await user('remove', 'u-1', '--yes')
  expect(code).toBe(0)
  expect(err).toMatch(/next login at https:\/\/id.test .*serve user disable/)
})

test('a removed user leaves nothing that works', async () => {
  const { user, me, server } = await start()
  await user('add', 'bob')
  const key = (await user('key', 'bob')).out.trim()
  const { code, err } = await user('remove', 'bob', '--yes')
  expect([code, err]).toEqual([0, '✓ Removed bob and 1 API key\n'])
  expect((await me(key)).status).toBe(401)
  const { db } = server.context
  for (const table of ['accounts', 'memberships', 'api_keys', 'setup_links'] as const) {
    const rows = await db.selectFrom(table).selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain('bob')
  }
  expect((await user('list', '-q')).out).toBe('administrator\n')
})

test('without a server there is nothing to administrate', async () => {
  const dataDir = join(temporaryFolder(), 'none')
  const { code, err } = await runCli(['serve', 'user', 'list', '--data', dataDir])
  expect([code, err]).toEqual([3, expect.stringContaining('--data')])
})

test('a server with another issuer has no passwords', async () => {
  const oidc = {
    issuer: 'https://id.example',
    clientId: 'c',
    audience: 'a',
    defaultPermissions: [],
    admins: [],
  }
  const { user, server } = await start({ oidc })
  expect(server.setupLink).toBeUndefined()
  const { code, err } = await user('add', 'bob')
  expect([code, err]).toEqual([7, expect.stringContaining('another issuer')])
})

test.each([
  [['--oidc-issuer', 'https://id.example'], /--oidc-client-id and --oidc-audience need each other/],
  [['--oidc-admin', 'me'], /need each other/],
  [['--oidc-default-permission', 'admin'], /does not take admin/],
  [['--oidc-default-permission', 'fly'], /one of: read:images/],
  [
    ['--oidc-issuer', 'http://id.example', '--oidc-client-id', 'c', '--oidc-audience', 'a'],
    /not an https URL/,
  ],
])('serve %j is refused before anything is made', async (args, words) => {
  const dataDir = join(temporaryFolder(), 'data')
  const issuer = args.includes('admin')
    ? ['--oidc-issuer', 'https://i', '--oidc-client-id', 'c', '--oidc-audience', 'a']
    : []
  const { code, err } = await runCli(['serve', '--port', '0', '--data', dataDir, ...issuer, ...args])
  expect([code, err]).toEqual([2, expect.stringMatching(words)])
  expect(existsSync(dataDir)).toBe(false)
})
