import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseFormat } from '../../src/terminal/format.ts'
import { printRecords, type RecordView } from '../../src/terminal/records.ts'
import { capturedStreams, type Surroundings } from './captured-streams.ts'

interface Thing {
  readonly id: string
  readonly name: string
  readonly size: number | null
  readonly labels: Readonly<Record<string, string>>
}

const VIEW: RecordView<Thing> = {
  columns: [
    { header: 'Name', value: ({ name }) => name },
    { header: 'Size', value: ({ size }) => size, human: ({ size }) => `${size} bytes`, align: 'right' },
  ],
  id: ({ id }) => id,
}
const THINGS: Thing[] = [
  { id: 'i1', name: 'app:1.0', size: 12, labels: { a: '1' } },
  { id: 'i2', name: 'much-longer:2.0', size: null, labels: {} },
]

async function print(format: string, surroundings: Surroundings = {}, records = THINGS, quiet = false) {
  const streams = capturedStreams(surroundings)
  await printRecords(streams.stdout, records, VIEW, { format: parseFormat(format)!, quiet })
  return streams.out()
}

test('a pipe gets tab-separated whole values without a header', async () => {
  expect(await print('table')).toBe('app:1.0\t12\nmuch-longer:2.0\t-\n')
})

test('a terminal gets aligned columns with a header', async () => {
  expect(await print('table', { tty: true, environment: { NO_COLOR: '1' } })).toBe(
    ['NAME                    SIZE', 'app:1.0             12 bytes', 'much-longer:2.0   null bytes', ''].join(
      '\n',
    ),
  )
})

test('a table fits a narrow terminal', async () => {
  const lines = (await print('table', { tty: true, columns: 26, environment: { NO_COLOR: '1' } })).split('\n')
  expect(lines.every((line) => line.length <= 27)).toBe(true)
  expect(lines[2]).toContain('…')
})

test('a single record on a terminal is a line for each field, never cut; in a pipe it is one line', async () => {
  const name = 'much-longer:2.0'.repeat(3)
  const one = async (tty: boolean) => {
    const streams = capturedStreams({ tty, columns: 26, environment: { NO_COLOR: '1' } })
    await printRecords(streams.stdout, { ...THINGS[0]!, name }, VIEW, { format: parseFormat('table')! })
    return streams.out()
  }
  expect(await one(true)).toBe(`NAME   ${name}\nSIZE   12 bytes\n`)
  expect(await one(false)).toBe(`${name}\t12\n`)
})

test('JSON is an array of whole records, also of none', async () => {
  expect(JSON.parse(await print('json'))).toEqual(THINGS)
  expect(await print('json', {}, [])).toBe('[]\n')
})

test('YAML says the same as JSON', async () => {
  expect(parse(await print('yaml'))).toEqual(THINGS)
})

test('a template makes a line of each record', async () => {
  expect(await print('{{.Name}} {{.Size}}')).toBe('app:1.0 12\nmuch-longer:2.0 \n')
})

test('quiet prints ids only, whatever the format is', async () => {
  expect(await print('json', {}, THINGS, true)).toBe('i1\ni2\n')
})

test('control characters are made visible on a terminal and kept for programs', async () => {
  const evil = [{ ...THINGS[0]!, name: 'x\x1b[2J' }]
  expect(await print('table', { tty: true }, evil)).toContain('x\\x1b[2J')
  expect(await print('table', {}, evil)).toContain('x\x1b[2J')
})

test('JSON and YAML on a terminal hold no control character either, and JSON says the same', async () => {
  const evil = [{ ...THINGS[0]!, name: 'x\x9b2J\x1b\u202e' }]
  const json = await print('json', { tty: true }, evil)
  expect(JSON.parse(json)).toEqual(evil)
  for (const text of [json, await print('yaml', { tty: true }, evil)]) {
    expect(text).not.toMatch(/[\x1b\x9b\u202e]/)
  }
  expect(parse(await print('yaml', {}, evil))).toEqual(evil)
})

test('a tab in a value does not make a column', async () => {
  expect(await print('table', {}, [{ ...THINGS[0]!, name: 'a\tb\nc' }])).toBe('a b c\t12\n')
})

test('an unknown format is told from a template', () => {
  expect(parseFormat('xml')).toBeUndefined()
})

const WORDS: RecordView<Thing> = {
  columns: [
    { header: 'Id', value: ({ id }) => id },
    { header: 'Text', value: ({ name }) => name, wraps: true },
    { header: 'Size', value: ({ size }) => size, align: 'right' },
  ],
  id: ({ id }) => id,
}

async function wrapped(name: string, columns: number): Promise<string[]> {
  const streams = capturedStreams({ tty: true, columns, environment: { NO_COLOR: '1' } })
  const format = { kind: 'table' } as const
  await printRecords(streams.stdout, [{ ...THINGS[0]!, name }, THINGS[1]!], WORDS, { format })
  return streams.out().trimEnd().split('\n')
}

test('a column that wraps is cut nowhere: it goes on under itself, between words', async () => {
  const text = `RUN ${'make all && '.repeat(8)}make install`
  const lines = await wrapped(text, 60)
  expect(lines.every((line) => line.length <= 60)).toBe(true)
  expect(lines.join('')).not.toContain('…')
  const parts = lines.slice(1, -1)
  expect(parts.length).toBeGreaterThan(2)
  expect(parts[0]).toMatch(/^i1 {3}RUN make .* 12$/)
  expect(parts.slice(1).every((line) => line.startsWith('     '))).toBe(true)
  const shown = parts.map((line, index) => (index === 0 ? line.slice(5).replace(/ +12$/, '') : line.trim()))
  expect(shown.join(' ')).toBe(text)
})

test('a word that is longer than its column is broken, and no character of it is lost', async () => {
  const text = `ENV A=${'é'.repeat(150)}`
  const lines = (await wrapped(text, 20)).slice(1, -1)
  expect(
    lines
      .map((line) => line.slice(5).replace(/ +12$/, '').trim())
      .join('')
      .replace('ENVA', 'ENV A'),
  ).toBe(text)
})

test('narrow terminals get narrow columns before lines break', async () => {
  const view: RecordView<Thing> = {
    columns: ['One', 'Two', 'Three'].map((header) => ({ header, value: ({ name }: Thing) => name })),
    id: ({ id }) => id,
  }
  const streams = capturedStreams({ tty: true, columns: 30, environment: { NO_COLOR: '1' } })
  const name = 'manifest.push'
  await printRecords(streams.stdout, [{ ...THINGS[0]!, name }], view, { format: { kind: 'table' } })
  const [, row = ''] = streams.out().split('\n')
  expect(row.length).toBeLessThanOrEqual(30)
  expect(row).toMatch(/^manif\S*… {3}mani\S*… {3}mani\S*…$/)
})

test('a record of one field is that field', async () => {
  const streams = capturedStreams({ tty: true })
  const [column] = WORDS.columns
  const view = { columns: [column!], id: WORDS.id }
  await printRecords(streams.stdout, THINGS[0]!, view, { format: { kind: 'table' } })
  expect(streams.out()).toBe(`${THINGS[0]!.id}\n`)
})
