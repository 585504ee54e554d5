import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openContext } from '../../src/build/context.ts'
import type { ContextEntry } from '../../src/build/context-entry.ts'
import { CONTEXT_CASES, type ContextCase, DOCKERFILE } from './context-cases.ts'
import { describeEntry } from './list-tar.ts'
import { AS_CLASSIC, type Recorded, readRecordings } from './recorded-contexts.ts'
import { contextFolders } from './temporary-folder.ts'

const make = contextFolders()

const recordings = readRecordings()

test('every case has a recording, and every recording a case', () => {
  expect(Object.keys(recordings)).toEqual(CONTEXT_CASES.map(({ name }) => name))
  expect(CONTEXT_CASES.length).toBeGreaterThanOrEqual(60)
})

test.each(CONTEXT_CASES)('what docker sends: $name', async (each) => {
  const recording = recordings[each.name]!
  const expected = AS_CLASSIC.has(each.name) ? recording.classic : recording.buildkit
  const { root } = await make(each.files)
  const listed = await listEntries(root, each)
  if (isRefusal(expected)) expect(listed).toEqual({ error: expect.stringMatching(/^USAGE|^FILE_UNREADABLE/) })
  else expect(listed).toEqual(expected)
})

async function listEntries(root: string, each: ContextCase): Promise<Recorded> {
  try {
    const context = await openContext({ folder: join(root, 'context'), ...dockerfileOf(root, each) })
    expect(Buffer.from(context.dockerfile.content).toString()).toBe(DOCKERFILE)
    const lines: string[] = []
    for await (const entry of context.entries()) lines.push(line(entry))
    return lines
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { error: `${error.code}: ${error.message}` }
    throw error
  }
}

function dockerfileOf(root: string, { dockerfile }: ContextCase) {
  if (dockerfile === undefined) return {}
  if (dockerfile === '-') return { dockerfile: { content: Buffer.from(DOCKERFILE) } }
  return { dockerfile: { path: join(root, dockerfile) } }
}

function line({ path, type, mode, size, target }: ContextEntry): string {
  return describeEntry({ path, type, mode, size, ...(target === undefined ? {} : { target }) })
}

function isRefusal(recorded: Recorded): recorded is { readonly error: string } {
  return 'error' in recorded
}
