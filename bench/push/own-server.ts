import { join } from 'node:path'
import { peak } from '../../test/acceptance/peak-memory.ts'
import { serve, type TestServer } from '../../test/acceptance/program.ts'
import { measure, type Run } from '../measure.ts'
import type { Row } from '../results.ts'
import type { BenchImage } from './image-set.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')

/** With an empty server, which is stopped afterwards. */
export async function withOwnServer<T>(action: (server: TestServer) => Promise<T>): Promise<T> {
  const server = await serve()
  try {
    return await action(server)
  } finally {
    await server.stop()
  }
}

/** Until the image is active. */
export function pushToOwnServer(source: string, name: string, env: TestServer['env']): Promise<Run> {
  const push = ['image', 'push', source, '--name', name, '--progress', 'none']
  return measure({ command: [process.execPath, PROGRAM, ...push], env })
}

/** The same archive to `imgctl serve`, until the image is active: what a user of the whole platform waits for. */
export async function toOwnServer({ name, archive }: BenchImage): Promise<Row[]> {
  return withOwnServer(async (server) => {
    const push = () => pushToOwnServer(archive, `${name}:1.0`, server.env)
    const cold = await push()
    const again = await push()
    const title = 'archive to imgctl serve, until active'
    const figures = ({ seconds, cpu, rss }: Run) => ({ seconds, 'CPU s': cpu, 'RSS MB': rss })
    const serverRss = { 'server RSS MB': await peak(server.pid()) }
    return [
      { case: `${title}, cold`, who: 'imgctl', values: { ...figures(cold), ...serverRss } },
      { case: `${title}, unchanged`, who: 'imgctl', values: figures(again) },
    ]
  })
}
