import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { REASON_CODES } from '../../../src/contract/image.ts'
import { DEFAULT_HINTS } from '../../../src/server/images/reasons.ts'

/** Tests that take an image through the real steps, or the real machinery, to the reason. */
const FILES = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts') && name !== 'reasons.test.ts')
  .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))

test.each(REASON_CODES)('%s is reached by a test of images, and has a hint', (code) => {
  expect(FILES.filter((text) => text.includes(`'${code}'`)).length).toBeGreaterThan(0)
  expect(DEFAULT_HINTS[code]).toMatch(/\w/)
})
