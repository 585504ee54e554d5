import { lstat, mkdir, readdir, rename, rm, stat, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { blobPath } from '../../src/server/content/blob-store.ts'
import { createLog } from '../../src/server/log.ts'
import { serverSettings } from '../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'
import { basic, Client } from '../server/registry-context.ts'
import { runCli } from './run-cli.ts'

const DAY_MS = 24 * 3_600_000

/** A server in this process with one image and one blob that nothing needs; `advance` moves its clock. */
async function startWithContent(dataDir = join(temporaryFolder(), 'data')) {
  let offset = 0
  const settings = serverSettings({ dataDir, port: 0 })
  const server = await startServer(settings, { log: createLog('silent'), now: () => Date.now() + offset })
  onTestFinished(() => server.close())
  const { url, port } = server
  const client = new Client({ url, port, close: async () => {} }, basic(server.bootstrapKey!))
  const { layer } = await client.pushImage('default/app', '1.0', 'layer')
  const loose = await client.pushBlob('default/app', 'loose')
  const advance = (ms: number) => {
    offset += ms
  }
  return { server, client, dataDir, layer, loose, advance }
}

const json = async (args: readonly string[]) => {
  const { code, out, err } = await runCli([...args, '--format', 'json'])
  expect([code, err]).toEqual([0, expect.not.stringContaining('error')])
  return JSON.parse(out)
}

test('serve gc asks the server that runs, and does it itself when none does', async () => {
  const { server, dataDir, loose, advance } = await startWithContent()
  const gc = ['serve', 'gc', '--data', dataDir]
  expect(await json(gc)).toEqual({ dryRun: false, uploads: 0, manifests: 0, blobs: 0, bytes: 0 })
  advance(2 * DAY_MS)
  expect(await json(gc)).toEqual({ dryRun: false, uploads: 0, manifests: 0, blobs: 1, bytes: 5 })
  await expect(stat(blobPath(dataDir, loose))).rejects.toMatchObject({ code: 'ENOENT' })
  await server.close()
  expect(await readdir(dataDir)).not.toContain('control.sock')
  expect(await json(gc)).toMatchObject({ blobs: 0 })
})

test('serve gc --dry-run removes nothing', async () => {
  const { server, dataDir, loose } = await startWithContent()
  await server.context.db.updateTable('blob_links').set({ touchedAt: 1 }).execute()
  const { code, out } = await runCli(['serve', 'gc', '--dry-run', '--data', dataDir])
  expect([code, out]).toEqual([0, 'Would remove 0 manifests, 1 blobs (5 B) and 0 uploads\n'])
  expect((await stat(blobPath(dataDir, loose))).size).toBe(5)
})

test('a folder whose path is too long for a socket is collected when the server is stopped', async () => {
  const dataDir = join(temporaryFolder(), 'd'.repeat(100), 'data')
  const { server } = await startWithContent(dataDir)
  const { code, err } = await runCli(['serve', 'gc', '--data', dataDir])
  expect(code).toBe(8)
  expect(err).toMatch(/error: the server on .* does not take orders\nhint: .*stop the server/)
  await server.close()
  expect((await runCli(['serve', 'gc', '--data', dataDir])).code).toBe(0)
})

test('serve check: 0 and a summary when all is well, 5 and a line for each thing that is not', async () => {
  const { dataDir, layer } = await startWithContent()
  const check = ['serve', 'check', '--data', dataDir]
  const whole = await runCli(check)
  expect([whole.code, whole.out]).toEqual([0, ''])
  expect(whole.err).toContain('Checked 3 blobs (')
  await rm(blobPath(dataDir, layer))
  const damaged = await runCli(check)
  expect([damaged.code, damaged.out]).toEqual([5, `BLOB_MISSING\t${layer}\tits file is not there\n`])
  expect(damaged.err).toContain('error: 1 thing is wrong in ')
  expect(damaged.err).toContain('hint: ')
  const asJson = await runCli([...check, '--format', 'json'])
  expect(asJson.code).toBe(5)
  expect(JSON.parse(asJson.out)).toMatchObject({
    findings: [{ code: 'BLOB_MISSING', subject: layer }],
    blobs: 3,
  })
})

test('serve check --repair: what was damaged is in error, and the next push mends it', async () => {
  const { server, client, dataDir, layer } = await startWithContent()
  const check = ['serve', 'check', '--data', dataDir]
  await expect.poll(() => states(server)).toEqual(['active'])
  await truncate(blobPath(dataDir, layer), 2)
  const running = await runCli([...check, '--repair'])
  expect([running.code, running.err]).toEqual([7, expect.stringContaining('a server is already running on')])
  // The server says that it has the blob, so nobody would send it.
  await client.call('HEAD', `/v2/default/app/blobs/${layer}`, 200)
  await server.close()
  const repaired = await runCli([...check, '--repair'])
  expect([repaired.code, repaired.out]).toEqual([
    0,
    `BLOB_DAMAGED\t${layer}\tits file has 2 bytes instead of 5\n`,
  ])
  expect(repaired.err).toContain('Forgot 1 blobs: start the server')

  const again = await startServer(serverSettings({ dataDir, port: 0 }), { log: createLog('silent') })
  onTestFinished(() => again.close())
  await expect.poll(() => states(again)).toEqual(['error BLOB_MISSING'])
  const { url, port } = again
  const next = new Client({ url, port, close: async () => {} }, basic(server.bootstrapKey!))
  await next.call('HEAD', `/v2/default/app/blobs/${layer}`, 404)
  await next.pushImage('default/app', '1.0', 'layer')
  await expect.poll(() => states(again)).toEqual(['active'])
  await again.close()
  expect((await runCli(check)).code).toBe(0)
})

test('serve check --repair loses nothing that may be whole: a file it cannot open, a disk that is not mounted', async () => {
  const { server, dataDir, layer } = await startWithContent()
  await expect.poll(() => states(server)).toEqual(['active'])
  await server.close()
  const repair = ['serve', 'check', '--repair', '--data', dataDir]
  const path = blobPath(dataDir, layer)
  await rename(path, `${path}.mine`)
  // As root, who may read all files, the tests need another one that cannot be opened.
  await symlink(path, path)
  const unreadable = await runCli(repair)
  expect([unreadable.code, unreadable.out]).toEqual([
    5,
    `BLOB_UNREADABLE\t${layer}\tits file cannot be read: ELOOP\n`,
  ])
  expect((await lstat(path)).isSymbolicLink()).toBe(true)
  await rename(`${path}.mine`, path)

  const blobs = join(dataDir, 'blobs')
  await rename(blobs, `${blobs}.mounted`)
  await mkdir(blobs)
  const away = await runCli(repair)
  expect([away.code, away.err]).toEqual([3, expect.stringContaining('hint: mount its disk')])
  await rm(blobs, { recursive: true })
  await rename(`${blobs}.mounted`, blobs)
  expect((await runCli(['serve', 'check', '--data', dataDir])).code).toBe(0)
})

/** `active`, `error BLOB_MISSING`: one per image. */
async function states(server: RunningServer): Promise<string[]> {
  const rows = await server.context.db.selectFrom('images').select(['state', 'reasonJson']).execute()
  return rows.map(({ state, reasonJson }) =>
    `${state} ${reasonJson ? JSON.parse(reasonJson).code : ''}`.trim(),
  )
}

test('serve backup names what it made; the backup is whole', async () => {
  const { dataDir } = await startWithContent()
  const target = join(temporaryFolder(), 'backup')
  const { code, out, err } = await runCli(['serve', 'backup', target, '--data', dataDir])
  expect([code, out]).toEqual([0, `${target}\n`])
  expect(err).toContain('Backed up 3 blobs (')
  expect((await runCli(['serve', 'check', '--data', target])).code).toBe(0)
  const again = await runCli(['serve', 'backup', target, '--data', dataDir])
  expect(again.code).toBe(7)
  expect(again.err).toContain('error: there is something in ')
})

test('--data is taken before and after the subcommand; options of serve alone are not', async () => {
  const { dataDir } = await startWithContent()
  expect((await runCli(['serve', '--data', dataDir, 'check'])).code).toBe(0)
  const { code, err } = await runCli(['serve', 'check', '--data', dataDir, '--port', '1'])
  expect(code).toBe(2)
  expect(err).toBe("error: unknown option '--port'\nhint: see imgctl serve check --help\n")
})

test.each(['check', 'gc', 'backup x'])(
  'serve %s on a Node that cannot, and on a folder of nobody',
  async (words) => {
    const args = ['serve', ...words.split(' '), '--data', join(temporaryFolder(), 'none')]
    expect((await runCli(args, { node: '20.19.0' })).err).toContain('Node.js 22.13 or newer')
    const { code, err } = await runCli(args)
    expect(code).toBe(3)
    expect(err).toContain('error: no server keeps its data here')
  },
)
