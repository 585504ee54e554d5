import type { Run } from '../measure.ts'
import type { Row } from '../results.ts'
import { type Arena, imgctlPush } from './arena.ts'
import { type CountingProxy, countingProxy } from './counting-proxy.ts'
import type { BenchImage } from './image-set.ts'
import { pushToOwnServer, withOwnServer } from './own-server.ts'

const MB = 1e6
export const CUT_EVERY_BYTES = 100 * MB
export const CUT = 'cut every'

/** Pushes once, over a line that is cut so often, to a registry of its own. */
type Push = (cutEvery: number, onProxy: (proxy: CountingProxy) => void) => Promise<Pushed>

type Pushed = Pick<Run, 'seconds' | 'rss'>

/** To CNCF distribution. */
export function cutToDistribution(arena: Arena, { name }: BenchImage, source: string): Push {
  return (cutEvery, onProxy) =>
    arena.withRegistry((registry) =>
      through(registry.host, cutEvery, onProxy, async ({ host }) =>
        imgctlPush(source, `${host}/bench/${name}:1.0`, await arena.newUser()),
      ),
    )
}

/** To `imgctl serve`, which keeps what arrived before a cut. */
export function cutToOwnServer({ name }: BenchImage, source: string): Push {
  return (cutEvery, onProxy) =>
    withOwnServer((server) =>
      through(server.host, cutEvery, onProxy, ({ host }) => {
        const env = { ...server.env, IMGCTL_SERVER: `http://${host}` }
        return pushToOwnServer(source, `${name}:1.0`, env)
      }),
    )
}

async function through(
  target: string,
  cutEvery: number,
  onProxy: (proxy: CountingProxy) => void,
  push: (proxy: CountingProxy) => Promise<Pushed>,
): Promise<Pushed> {
  const proxy = await countingProxy(target, cutEvery)
  onProxy(proxy)
  try {
    return await push(proxy)
  } finally {
    await proxy.close()
  }
}

/** A push whose connection is cut again and again, beside the same push left alone. */
export async function cutConnections(title: string, push: Push, cutEvery: number): Promise<Row[]> {
  const rows: Row[] = []
  let undisturbed: number | undefined
  for (const every of [Number.POSITIVE_INFINITY, cutEvery]) {
    const who = Number.isFinite(every) ? `${CUT} ${every / MB} MB` : 'not cut'
    let proxy: CountingProxy | undefined
    const row = { case: cutTitle(title), who }
    try {
      const { seconds, rss } = await push(every, (made) => {
        proxy = made
      })
      const sent = proxy!.sent()
      undisturbed ??= sent
      const bytes = { 'sent MB': sent / MB, 'x bytes': sent / undisturbed }
      rows.push({ ...row, values: { seconds, ...bytes, cuts: proxy!.cuts(), 'RSS MB': rss } })
    } catch (error) {
      console.error(`  ${who}: ${error instanceof Error ? error.message : error}`)
      rows.push({ ...row, who: `${who}: FAILED`, values: { cuts: proxy?.cuts() ?? 0 } })
    }
  }
  return rows
}

export function cutTitle(title: string): string {
  return `${title}, connection cut`
}
