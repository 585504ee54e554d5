import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import serve from '../../src/commands/serve.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(ROOT, path), 'utf8')

test('docs/server.md has every flag of serve, in its words', async () => {
  const section = (await read('docs/server.md')).split('## Flags')[1]!.split('\n## ')[0]!
  const listed = [...section.matchAll(/^\| `(--.+?)` \| (.*) \|$/gm)].map(([, flags, text]) => [
    flags!.replaceAll('\\|', '|'),
    text,
  ])
  expect(listed).toEqual(Object.values(serve.options).map(({ flags, description }) => [flags, description]))
})

test('the unit and the Containerfile start what there is', async () => {
  const known = Object.values(serve.options).flatMap(({ flags }) => /--[\w-]+/.exec(flags) ?? [])
  const [unit, container] = [await read('deploy/imgctl.service'), await read('deploy/Containerfile')]
  const started = /^ExecStart=.*imgctl serve (.*)$/m.exec(unit)?.[1] ?? ''
  const entrypoint = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(container)?.[1] ?? '[]') as string[]
  expect(entrypoint.slice(0, 2)).toEqual(['imgctl', 'serve'])
  const used = [...started.split(' '), ...entrypoint].filter((word) => word.startsWith('--'))
  expect(used.length).toBeGreaterThan(4)
  for (const flag of used) expect(known).toContain(flag)
})
