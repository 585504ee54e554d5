import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Image, ImagePage } from '../../src/contract/image.ts'
import { createLog } from '../../src/server/log.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { startServer } from '../../src/server/start.ts'

/** Our server in this process, for clients that others wrote. */
export interface ClientServer {
  /** For files of the clients; it goes with the server. */
  readonly folder: string
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly key: string
  api<T>(path: string, init?: RequestInit): Promise<T>
  /** The image that a push made, when the server has looked at it. */
  activeImage(name: string): Promise<Image>
  /** The names of the images that fit a glob. */
  imageNames(glob: string): Promise<string[]>
  close(): Promise<void>
}

export async function startClientServer(): Promise<ClientServer> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-clients-'))
  const settings = serverSettings({ dataDir: join(folder, 'server'), port: 0 })
  const server = await startServer(settings, { log: createLog('silent') })
  const key = server.bootstrapKey ?? ''
  const api = async <T>(path: string, init: RequestInit = {}): Promise<T> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const response = await fetch(`${server.url}/api${path}`, { ...init, headers })
    expect(response.status).toBe(200)
    return (await response.json()) as T
  }
  const page = (name: string) => api<ImagePage>(`/images?name=${encodeURIComponent(name)}`)
  return {
    folder,
    host: new URL(server.url).host,
    key,
    api,
    async activeImage(name) {
      await expect
        .poll(async () => (await page(name)).items[0]?.state, { timeout: 10_000, message: name })
        .toBe('active')
      return api<Image>(`/images/${encodeURIComponent(name)}`)
    },
    async imageNames(glob) {
      return (await page(glob)).items.map(({ name }) => name).sort()
    },
    async close() {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
