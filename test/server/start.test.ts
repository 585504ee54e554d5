import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { API_KEY, type ApiKey, type PushAccess } from '../../src/contract/identity.ts'
import type { ServerConfig } from '../../src/contract/server.ts'
import type { ErrorCode } from '../../src/errors/codes.ts'
import { isCode } from '../../src/errors/error.ts'
import { principalOfPushSecret } from '../../src/server/identity/push-access.ts'
import { createLog } from '../../src/server/log.ts'
import { type ChosenSettings, serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { writeTlsFiles } from './start-tls-files.ts'

/** Far below the 30 s that a server waits for requests: a close that hangs on an idle connection fails. */
const HANGS_MS = 15_000

let folder: string
let dataDir: string
let logged: string
const running: RunningServer[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-start-'))
  dataDir = join(folder, 'data')
  logged = ''
})
afterEach(async () => {
  for (const server of running.splice(0)) await server.close()
  await rm(folder, { recursive: true })
})

async function start(chosen: Partial<ChosenSettings> = {}): Promise<RunningServer> {
  const log = createLog('debug', {
    write(line) {
      logged += line
    },
  })
  const server = await startServer(serverSettings({ port: 0, dataDir, ...chosen }), { log })
  running.push(server)
  return server
}

async function get<T>(server: RunningServer, path: string, key?: string): Promise<[number, T]> {
  const response = await fetch(server.url + path, key ? { headers: { authorization: `Bearer ${key}` } } : {})
  return [response.status, (await response.json()) as T]
}

function failsWith(code: ErrorCode, text = '') {
  return (error: unknown) => isCode(error, code) && error.message.includes(text)
}

it.skipIf(process.platform === 'win32')(
  'lets nobody else give orders, whatever the umask and the folder',
  async () => {
    await mkdir(dataDir, { mode: 0o777 })
    const before = process.umask(0)
    try {
      await start()
    } finally {
      process.umask(before)
    }
    expect((await stat(join(dataDir, 'control.sock'))).mode & 0o077).toBe(0)
  },
)

describe('the first start', () => {
  it('makes a private folder and a key that may do everything', async () => {
    const server = await start()
    expect(server.bootstrapKey).toMatch(API_KEY)
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700)
    expect((await stat(join(dataDir, 'imgctl.db'))).mode & 0o777).toBe(0o600)
    const [status, me] = await get<{ permissions: string[] }>(server, '/api/users/me', server.bootstrapKey)
    expect([status, me.permissions]).toEqual([200, expect.arrayContaining(['admin'])])
    expect(logged).toContain(server.url)
    expect(logged).not.toContain(server.bootstrapKey)
  })

  it('serves images, the registry and the API description', async () => {
    const server = await start()
    expect((await get(server, '/api/images', server.bootstrapKey))[1]).toMatchObject({ items: [], total: 0 })
    expect((await get(server, '/v2/'))[0]).toBe(401)
    const [, document] = await get<{ paths: Record<string, unknown> }>(server, '/api/openapi.json')
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/api/images', '/api/api-keys', '/api/registry/token']),
    )
  })

  it('is still the first when the one before failed', async () => {
    const busy = createServer().listen(0, '127.0.0.1')
    await once(busy, 'listening')
    const { port } = busy.address() as AddressInfo
    await expect(start({ port })).rejects.toSatisfy(failsWith('CONFLICT', String(port)))
    busy.close()
    expect((await start()).bootstrapKey).toMatch(API_KEY)
  })
})

describe('a restart', () => {
  it('keeps the keys, the data and what was sealed', async () => {
    const first = await start()
    const key = first.bootstrapKey!
    const [, access] = await get<PushAccess>(first, '/api/docker-registry/registry-push-access', key)
    const sealed = first.context.keys.seal('x')
    await first.close()
    const second = await start()
    expect(second.bootstrapKey).toBeUndefined()
    expect((await get(second, '/api/users/me', key))[0]).toBe(200)
    expect(await principalOfPushSecret(second.context, access.secret)).toBeDefined()
    expect(second.context.keys.unseal(sealed)).toBe('x')
  })

  it('is not stopped by what a killed server left', async () => {
    await (await start()).close()
    await writeFile(join(dataDir, 'server.pid'), `${process.pid}\n`)
    expect((await stat(join(dataDir, 'lock.db'))).isFile()).toBe(true)
    expect((await get(await start(), '/api/health/ready'))[0]).toBe(200)
  })
})

describe('a second server on the folder', () => {
  it('is refused, and the first goes on', async () => {
    const first = await start()
    await expect(start()).rejects.toSatisfy(failsWith('CONFLICT', `process ${process.pid}`))
    expect((await get(first, '/api/health/ready'))[0]).toBe(200)
    await expect(start()).rejects.toSatisfy(failsWith('CONFLICT'))
    await first.close()
    expect(await readdir(dataDir)).not.toContain('server.pid')
    await start()
  })
})

describe('settings that cannot be', () => {
  it.each<[string, Partial<ChosenSettings>, ErrorCode]>([
    ['an open address without TLS', { host: '0.0.0.0' }, 'USAGE'],
    ['an open IPv6 address without TLS', { host: '::' }, 'USAGE'],
    ['a name that may be an open address', { host: 'images.example.com' }, 'USAGE'],
    ['a public URL with a path', { publicUrl: 'https://images.example.com/x' }, 'USAGE'],
    ['a public URL with a password', { publicUrl: 'https://a:b@images.example.com' }, 'USAGE'],
    ['no URL', { publicUrl: 'images.example.com' }, 'USAGE'],
    ['a port beyond the last', { port: 65_536 }, 'USAGE'],
  ])('refuses %s before anything is made', async (_, chosen, code) => {
    await expect(start(chosen)).rejects.toSatisfy(failsWith(code))
    expect(await readdir(folder)).toEqual([])
  })

  it("refuses an address that is not this machine's", async () => {
    await expect(start({ host: '192.0.2.1', insecureHttp: true })).rejects.toSatisfy(failsWith('USAGE'))
    await start()
  })

  it('refuses TLS files that are none, and gives the folder back', async () => {
    const { certFile, keyFile } = await writeTlsFiles(folder)
    const other = join(folder, 'other.pem')
    await expect(start({ tls: { certFile, keyFile: other } })).rejects.toSatisfy(
      failsWith('FILE_UNREADABLE', other),
    )
    await writeFile(other, 'no key')
    await expect(start({ tls: { certFile, keyFile: other } })).rejects.toSatisfy(failsWith('FILE_UNREADABLE'))
    await start({ tls: { certFile, keyFile } })
  })

  it('refuses a file as data folder, and a damaged database', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(start({ dataDir: join(folder, 'file') })).rejects.toSatisfy(failsWith('FILE_UNREADABLE'))
    await mkdir(dataDir)
    await writeFile(join(dataDir, 'imgctl.db'), 'not a database '.repeat(100))
    await expect(start()).rejects.toSatisfy(failsWith('FILE_UNREADABLE'))
    expect(await readFile(join(dataDir, 'imgctl.db'), 'utf8')).toContain('not a database')
  })
})

describe('addresses', () => {
  it('may be open when one says so', async () => {
    const server = await start({ host: '0.0.0.0', insecureHttp: true })
    expect((await get<ServerConfig>(server, '/api/config'))[1].registry).toEqual({
      host: `127.0.0.1:${server.port}`,
      secure: false,
    })
  })

  it('may be localhost, which is one address', async () => {
    const server = await start({ host: 'localhost' })
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
    expect((await get(server, '/api/health/ready'))[0]).toBe(200)
  })

  it('may be open with TLS', async () => {
    const server = await start({ host: '0.0.0.0', tls: await writeTlsFiles(folder) })
    const asked = request(`${server.url}/api/config`, { rejectUnauthorized: false, agent: false }).end()
    const [response] = await once(asked, 'response')
    const config = JSON.parse(await readText(response)) as ServerConfig
    expect(config.registry).toEqual({ host: `127.0.0.1:${server.port}`, secure: true })
  })
})

describe('close', () => {
  it('finishes a request in flight and takes no new one', async () => {
    const server = await start()
    const body = JSON.stringify({ name: 'late', permissions: ['read:images'] })
    const socket = await sendHead(server, body)
    const closed = server.close()
    await expect.poll(() => refusesConnections(server.port)).toBe(true)
    socket.write(body)
    const answer = await readText(socket)
    await closed
    expect(answer).toMatch(/^HTTP\/1.1 201 /)
    const again = await start()
    const [, { name }] = await get<ApiKey>(again, '/api/api-keys/late', server.bootstrapKey)
    expect(name).toBe('late')
  })

  it(
    'does not wait for idle connections, and may be called twice',
    async () => {
      const server = await start()
      const idle = connect(server.port, '127.0.0.1')
      await once(idle, 'connect')
      await get(server, '/api/health')
      await Promise.all([server.close(), server.close()])
      await server.close()
      idle.destroy()
    },
    HANGS_MS,
  )
})

/** Sends the head of `POST /api/api-keys`; resolves when the server has read it and waits for the body. */
async function sendHead(server: RunningServer, body: string): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  const head = [
    'POST /api/api-keys HTTP/1.1',
    `Host: 127.0.0.1:${server.port}`,
    `Authorization: Bearer ${server.bootstrapKey}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Expect: 100-continue',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  const [first] = (await once(socket, 'data')) as [Buffer]
  expect(first.toString()).toContain('100 Continue')
  return socket
}

function refusesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(true))
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
  })
}
