import { expect, test } from 'vitest'
import { type ChecklistItem, printChecklist } from '../../src/terminal/checklist.ts'
import { capturedStreams } from './captured-streams.ts'

const ITEMS: ChecklistItem[] = [
  { mark: 'ok', title: 'engine', text: 'Docker', lines: ['more'], fix: undefined },
  { mark: 'warn', title: 'node', text: 'old', lines: [], fix: 'install' },
  { mark: 'fail', title: 'a long title', text: 'broken \x1b[2J', lines: ['\x07'], fix: 'run \x1b[31m' },
  { mark: 'skip', title: 'disk', text: 'elsewhere', lines: [], fix: undefined },
]

test('one item after the other, all text in one column, nothing of outside as it came', () => {
  const streams = capturedStreams()
  printChecklist(streams.stdout, ITEMS)
  expect(streams.out()).toBe(
    [
      '✓ engine        Docker',
      '                more',
      '! node          old',
      '                fix: install',
      '✗ a long title  broken \\x1b[2J',
      '                \\x07',
      '                fix: run \\x1b[31m',
      '- disk          elsewhere',
      '',
    ].join('\n'),
  )
})

test('with colours the text is the same', () => {
  const [plain, coloured] = [{}, { FORCE_COLOR: '1' }].map((environment) => {
    const streams = capturedStreams({ environment })
    printChecklist(streams.stdout, ITEMS)
    return streams.out()
  })
  expect(coloured).toContain('\x1b[31m✗\x1b[39m')
  expect(coloured?.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '')).toBe(plain)
})

test('on a terminal a text goes on under itself, and no word of it is lost', () => {
  const text = 'no engine on this machine answers, wherever one was looked for'
  const item: ChecklistItem = { mark: 'fail', title: 'engine', text, lines: [`unix:${text}`], fix: text }
  const print = (columns: number) => {
    const streams = capturedStreams({ tty: true, columns, environment: { NO_COLOR: '1' } })
    printChecklist(streams.stdout, [item])
    return streams.out().trimEnd().split('\n')
  }
  const lines = print(40)
  expect(lines.every((line) => line.length <= 40)).toBe(true)
  expect(lines.slice(1).every((line) => line.startsWith(' '.repeat(10)))).toBe(true)
  const words = lines.map((line) => line.slice(10)).join(' ')
  expect(words).toBe(`${text} unix:${text} fix: ${text}`)
  // Where there is no room the terminal breaks the lines.
  expect(print(20)).toHaveLength(3)
})
