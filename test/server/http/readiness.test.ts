import { rename } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readinessProbe } from '../../../src/server/http/readiness.ts'
import { type OpenApp, openApp } from './open-app.ts'

let app: OpenApp
beforeEach(async () => {
  app = await openApp()
})
afterEach(() => app.close())

const ready = async () => {
  const { status, as } = await app.call('GET', '/api/health/ready', { key: null })
  return [status, as()]
}

describe('GET /health/ready', () => {
  test('is 200 when all is well', async () => {
    expect(await ready()).toEqual([200, { status: 'ok', database: 'ok', disk: 'ok' }])
  })

  test('is 503 without a database, and says nothing more to who is not known', async () => {
    await app.ctx.db.schema.dropTable('memberships').execute()
    await app.ctx.db.schema.alterTable('organizations').renameTo('gone').execute()
    expect(await ready()).toEqual([503, { status: 'unavailable', database: 'failed', disk: 'ok' }])
    expect(app.logText()).toContain('not ready: the database failed')
    expect((await app.call('GET', '/api/health', { key: null })).status).toBe(200)
  })

  test('is 503 without the data folder', async () => {
    const { dataDir } = app.ctx.settings
    await rename(dataDir, `${dataDir}-away`)
    try {
      expect(await ready()).toEqual([503, { status: 'unavailable', database: 'ok', disk: 'failed' }])
    } finally {
      await rename(`${dataDir}-away`, dataDir)
    }
  })
})

describe('a probe', () => {
  test('on a full disk is ready: what is there can be pulled, and deleted', async () => {
    const full = async () => {
      throw Object.assign(new Error('write'), { code: 'ENOSPC' })
    }
    expect(await readinessProbe(app.ctx, full)()).toEqual({ ready: true, database: 'ok', disk: 'full' })
  })

  test('asks the disk once for probes that come together', async () => {
    let touched = 0
    const probe = readinessProbe(app.ctx, async () => void touched++)
    await Promise.all([probe(), probe(), probe()])
    expect(touched).toBe(1)
  })
})
