import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url))

/**
 * docker-modem's `followProgress` reports success for errors in the stream and for a stream that dies, loses the
 * last line and keeps every event: `readEvents` (src/engine/ndjson.ts) is used instead.
 */
test('no source uses followProgress', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  expect(files.length).toBeGreaterThan(0)
  expect(
    files.filter((file) => readFileSync(join(SOURCES, file), 'utf8').includes('followProgress')),
  ).toEqual([])
})
