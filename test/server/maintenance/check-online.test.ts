import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { collectThroughServer } from '../../../src/server/control.ts'
import { openServerData } from '../../../src/server/data.ts'
import { createLog } from '../../../src/server/log.ts'
import { serverSettings } from '../../../src/server/settings.ts'
import { startServer } from '../../../src/server/start.ts'
import { basic, Client } from '../registry-context.ts'

const signal = new AbortController().signal
const PUSHES = 60

test('a server at work is whole at every moment: pushes, moves, deletes and collections go on', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-online-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  // Without a grace time each collection removes all that it may.
  const settings = serverSettings({ dataDir, port: 0, graceMs: 0 })
  const server = await startServer(settings, { log: createLog('silent') })
  onTestFinished(() => server.close())
  const { url, port, bootstrapKey } = server
  const client = new Client({ url, port, close: async () => {} }, basic(bootstrapKey!))
  let isBusy = true
  onTestFinished(() => {
    isBusy = false
  })
  let done = 0
  const work = Array.from({ length: 4 }, async (_, worker) => {
    for (let i = 0; isBusy; i++) {
      const name = `default/app${worker % 2}`
      // A collection may take what a push has just sent: such a push is refused, and comes again.
      const pushed = await client.pushImage(name, `${worker}`, `layer ${i % 5}`).catch(() => undefined)
      if (pushed && i % 3 === 0) await client.call('DELETE', `/v2/${name}/manifests/${worker}`, 202)
      done++
    }
  })
  const collecting = (async () => {
    while (isBusy) await collectThroughServer(dataDir, signal)
  })()
  for (let i = 0; done < PUSHES; i++) {
    // The grace time of the check is that of a real server: what is at work is no orphan.
    const { findings } = await openServerData({ dataDir }).check({ signal })
    expect(findings, `check ${i}`).toEqual([])
  }
  isBusy = false
  await Promise.all([...work, collecting])
})
