import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const MODULE = join(import.meta.dirname, '../../src/internal/young-generation.ts')
const LIMIT = 8 * 1024 * 1024

/** A process of its own: what V8 was told cannot be taken back. @returns bytes of its young generation after much survived */
async function youngBytesAfterLoad(first: string): Promise<number> {
  const program = `
    import { setImmediate as turn } from 'node:timers/promises'
    import { limitYoungGeneration, youngBytes } from ${JSON.stringify(MODULE)}
    ${first}
    const kept = []
    for (let round = 0; round < 150; round++) {
      for (let i = 0; i < 20_000; i++) kept[(round % 3) * 20_000 + i] = { i, list: [i], inner: { i } }
      await turn()
    }
    console.log(youngBytes())`
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module-typescript',
    '-e',
    program,
  ])
  return Number(stdout)
}

test('the young generation stays small under a load that makes it large without a limit', async () => {
  const [limited, free] = await Promise.all([
    youngBytesAfterLoad(`limitYoungGeneration(${LIMIT})`),
    youngBytesAfterLoad(''),
  ])
  expect(limited).toBeGreaterThanOrEqual(LIMIT)
  expect(limited).toBeLessThanOrEqual(2 * LIMIT)
  expect(free).toBeGreaterThan(2 * LIMIT)
})
