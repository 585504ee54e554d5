import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { peak, peakUntil } from '../test/acceptance/peak-memory.ts'
import { imgctl, serve, startImgctl } from '../test/acceptance/program.ts'
import { largeImageArchive } from '../test/services/large-archive.ts'

const DEFAULT_BYTES = 2e9
const LAYERS = 4

/** Goal: at most 256 MB of RSS, in the client and in the server, whatever the image's size. Linux only: reads /proc. */
export default async function memory([bytes = String(DEFAULT_BYTES)]: string[]): Promise<void> {
  const server = await serve()
  const path = join(server.folder, 'large.tar')
  try {
    await largeImageArchive(path, Number(bytes), { layers: LAYERS, reference: 'large:1.0' })
    const started = performance.now()
    const run = startImgctl(['image', 'push', path, '--quiet'], { env: server.env })
    const client = await peakUntil(run.child.pid!, run.ended)
    const { code, stderr } = await run.ended
    if (code !== 0) throw new Error(`the push failed: ${stderr}${server.log()}`)
    const seconds = (performance.now() - started) / 1000
    const list = await imgctl(['image', 'list', '--format', '{{.State}} {{.Size}}'], { env: server.env })
    console.log(`push of ${Number(bytes) / 1e6} MB in ${LAYERS} layers: ${list.stdout.trim()} bytes stored`)
    console.log(`  ${seconds.toFixed(1)} s`)
    console.log(`  client  ${client} MB peak RSS`)
    console.log(`  server  ${await peak(server.pid())} MB peak RSS`)
  } finally {
    await server.stop()
    await rm(path, { force: true })
  }
}
