import { test } from 'vitest'
import type { EngineName } from './fixtures.ts'

const ALL: readonly EngineName[] = ['dockerClassic', 'dockerContainerd', 'podman']

/** IMGCTL_TEST_ENGINE: the acceptance suite then uses this engine alone (`npm run test:engines` names each in turn). */
const chosen = process.env.IMGCTL_TEST_ENGINE as EngineName | undefined
if (chosen !== undefined && !ALL.includes(chosen)) {
  throw new Error(`IMGCTL_TEST_ENGINE is one of ${ALL.join(', ')}, not ${chosen}`)
}

/** For what is tested with every engine in each run: the main job. */
export const ENGINES: readonly EngineName[] = chosen === undefined ? ALL : [chosen]

/** For the rest, which is tested with one engine in a run: Docker 20.10 in `npm test`. */
export const ENGINE: EngineName = chosen ?? 'dockerClassic'

/**
 * `test`, but for engines of which the tested thing is not true: there it is skipped under a title that says why.
 * scripts/test.mjs knows such titles: with CI=true they count as no failure.
 */
export function testExcept(reasons: Partial<Record<EngineName, string>>, engine: EngineName = ENGINE) {
  const reason = reasons[engine]
  return (title: string, run: () => unknown): void => {
    if (reason === undefined) test(title, async () => void (await run()))
    else test.skip(`${title} [not on ${engine}: ${reason}]`)
  }
}
