import type { Row } from '../results.ts'
import { type Arena, imgctlPush } from './arena.ts'
import { countingProxy } from './counting-proxy.ts'
import type { BenchImage } from './image-set.ts'

const MB = 1e6
export const CUT_EVERY_BYTES = 100 * MB
export const CUT = 'cut every'

/** A push whose connection is cut again and again, beside the same push left alone. */
export async function cutConnections(
  arena: Arena,
  title: string,
  image: BenchImage,
  source: string,
  cutEvery: number,
): Promise<Row[]> {
  const rows: Row[] = []
  let undisturbed: number | undefined
  for (const every of [Number.POSITIVE_INFINITY, cutEvery]) {
    const isCut = Number.isFinite(every)
    const name = isCut ? `${CUT} ${every / MB} MB` : 'not cut'
    const row = await arena.withRegistry(async (registry): Promise<Row> => {
      const proxy = await countingProxy(registry.host, every)
      try {
        const { seconds, rss } = await imgctlPush(
          source,
          `${proxy.host}/bench/${image.name}:1.0`,
          await arena.newUser(),
        )
        const sent = proxy.sent()
        undisturbed ??= sent
        const values = {
          seconds,
          'sent MB': sent / MB,
          'x bytes': sent / undisturbed,
          cuts: proxy.cuts(),
          'RSS MB': rss,
        }
        return { case: cutTitle(title), who: name, values }
      } catch (error) {
        console.error(`  ${name}: ${error instanceof Error ? error.message : error}`)
        return { case: cutTitle(title), who: `${name}: FAILED`, values: { cuts: proxy.cuts() } }
      } finally {
        await proxy.close()
      }
    })
    rows.push(row)
  }
  return rows
}

export function cutTitle(title: string): string {
  return `${title}, connection cut`
}
