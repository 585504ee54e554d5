import { expect, test } from 'vitest'
import { API_ROWS } from './api-rows.ts'
import { openWorld } from './world.ts'

const PASSWORD = 'registry-password-8c1f'

/** What people put into the wrong place. */
function misplaced(secret: string): [string, RequestInit][] {
  const basic = `Basic ${btoa(`user:${secret}`)}`
  return [
    [`/api/users/me?api_key=${secret}`, {}],
    [`/api/images?name=${secret}`, { headers: { authorization: `Bearer ${secret}` } }],
    ['/api/users/me', { headers: { authorization: basic } }],
    ['/api/users/me', { headers: { 'x-api-key': secret, cookie: `token=${secret}` } }],
    [
      `/api/registry/token?scope=repository:default/app:pull&account=${secret}`,
      { headers: { authorization: basic } },
    ],
    ['/api/registry/token', form({ grant_type: 'password', password: secret, username: 'x' })],
    ['/api/registry/token', form({ grant_type: 'refresh_token', refresh_token: secret })],
    ['/v2/', { headers: { authorization: basic } }],
    [`/v2/default/app/tags/list?token=${secret}`, { headers: { authorization: `Bearer ${secret}` } }],
    ['/api/images', post({ name: 'a:1', password: secret })],
    ['/api/images', post(`{"password":"${secret}`)],
    [
      '/api/docker-registry',
      post({ name: 'x', url: `https://u:${secret}@x.example`, username: 'u', password: secret }),
    ],
  ]
}

function form(fields: Record<string, string>): RequestInit {
  return { method: 'POST', body: new URLSearchParams(fields) }
}

function post(body: unknown): RequestInit {
  const headers = { 'content-type': 'application/json' }
  return { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) }
}

test('no secret is in the log of a run of every route, at the level that tells most', async () => {
  const world = await openWorld()
  try {
    const secrets = [world.key, world.stranger, PASSWORD]
    for (const [route, row] of Object.entries(API_ROWS)) {
      const { path, ...rest } = await row.request(world)
      for (const key of [world.key, world.stranger, null]) {
        await world.call(route.split(' ')[0]!, path, { key, ...rest })
      }
    }
    const entry = { name: 'logged', url: 'logged.example.com', username: 'robot', password: PASSWORD }
    await world.call('POST', '/api/docker-registry', { body: entry })
    const access = await world.call('GET', '/api/docker-registry/registry-push-access')
    secrets.push(access.as<{ secret: string }>().secret)
    const headers = { authorization: `Basic ${btoa(`x:${secrets.at(-1)}`)}` }
    const token = await fetch(`${world.url}/api/registry/token?scope=repository:default/app:pull`, {
      headers,
    })
    secrets.push(((await token.json()) as { token: string }).token)
    for (const secret of [...secrets]) {
      secrets.push(btoa(`user:${secret}`))
      for (const [path, init] of misplaced(secret)) await (await fetch(world.url + path, init)).arrayBuffer()
    }
    const log = world.logText()
    expect(log.split('\n').length).toBeGreaterThan(100)
    for (const secret of secrets) expect(log).not.toContain(secret)
    // The signature alone would do for nobody, but has no business there either.
    for (const secret of secrets.filter((each) => each.includes('.'))) {
      expect(log).not.toContain(secret.split('.').at(-1)!)
    }
  } finally {
    await world.close()
  }
})
