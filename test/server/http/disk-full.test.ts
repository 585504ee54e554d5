import { sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { DockerRegistry } from '../../../src/contract/docker-registry.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { type OpenApp, openApp } from './open-app.ts'

let app: OpenApp
beforeEach(async () => {
  app = await openApp()
})
afterEach(() => app.close())

/** As when the disk is full: SQLite may not grow its file (https://www.sqlite.org/pragma.html#pragma_max_page_count). */
async function fillDisk(): Promise<void> {
  await sql`PRAGMA max_page_count = 1`.execute(app.ctx.db)
}

async function makeRoom(): Promise<void> {
  await sql`PRAGMA max_page_count = 1000000`.execute(app.ctx.db)
}

async function addUntilRefused(): Promise<{ added: number; error: ApiError }> {
  for (let added = 0; ; added++) {
    const body = { name: `r${added}`, url: `h${added}.test`, username: 'u', password: 'p'.repeat(9_000) }
    const answer = await app.call('POST', '/api/docker-registry', { body })
    if (answer.status !== 201) return { added, error: answer.as<ApiError>() }
  }
}

it('says that the disk is full, keeps what was acknowledged, and goes on when there is room', async () => {
  await fillDisk()
  const { added, error } = await addUntilRefused()
  expect(error).toMatchObject({
    statusCode: 507,
    code: 'DISK_FULL',
    hint: expect.stringContaining('more space'),
  })
  app.advance(120_000)
  const listed = await app.call('GET', '/api/docker-registry')
  expect([listed.status, listed.as<DockerRegistry[]>().length]).toEqual([200, added])
  await makeRoom()
  const body = { name: 'last', url: 'last.test', username: 'u', password: 'p'.repeat(9_000) }
  expect((await app.call('POST', '/api/docker-registry', { body })).status).toBe(201)
})
