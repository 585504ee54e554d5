import { join } from 'node:path'
import { serve } from '../../test/acceptance/program.ts'
import { measure } from '../measure.ts'
import { peak } from '../peak.ts'
import type { Row } from '../results.ts'
import type { BenchImage } from './image-set.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')

/** The same archive to `imgctl serve`, until the image is active: what a user of the whole platform waits for. */
export async function toOwnServer({ name, archive }: BenchImage): Promise<Row[]> {
  const server = await serve()
  try {
    const command = [
      process.execPath,
      PROGRAM,
      'image',
      'push',
      archive,
      '--name',
      `${name}:1.0`,
      '--progress',
      'none',
    ]
    const push = () => measure({ command, env: server.env })
    const cold = await push()
    const again = await push()
    const title = 'archive to imgctl serve, until active'
    return [
      {
        case: `${title}, cold`,
        who: 'imgctl',
        values: {
          seconds: cold.seconds,
          'CPU s': cold.cpu,
          'RSS MB': cold.rss,
          'server RSS MB': await peak(server.pid()),
        },
      },
      {
        case: `${title}, unchanged`,
        who: 'imgctl',
        values: { seconds: again.seconds, 'CPU s': again.cpu, 'RSS MB': again.rss },
      },
    ]
  } finally {
    await server.stop()
  }
}
