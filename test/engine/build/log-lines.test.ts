import { describe, expect, test } from 'vitest'
import { LogLines, MAX_LINE_LENGTH } from '../../../src/engine/build/log-lines.ts'
import { SecretMask } from '../../../src/engine/build/secret-mask.ts'

function linesOf(chunks: (string | Uint8Array)[], ...secrets: string[]): string[] {
  const mask = new SecretMask()
  for (const secret of secrets) mask.add(Buffer.from(secret))
  const lines = new LogLines(mask)
  return [...chunks.flatMap((chunk) => lines.push(Buffer.from(chunk))), ...lines.end()]
}

const euro = Buffer.from('€')

test.each<[string, (string | Uint8Array)[], string[]]>([
  ['lines', ['a\nb\n'], ['a', 'b']],
  ['a last line without an end', ['a\nb'], ['a', 'b']],
  ['a line in pieces', ['a', 'b', 'c\n'], ['abc']],
  ['an empty line', ['a\n\nb\n'], ['a', '', 'b']],
  ['a character in pieces', [euro.subarray(0, 1), euro.subarray(1), '\n'], ['€']],
  ['half a character at the end', ['a', euro.subarray(0, 2)], ['a\ufffd']],
  ['Windows ends', ['a\r\nb\r', '\nc'], ['a', 'b', 'c']],
  ['a progress bar', ['10%\r20%\r', '30%\n'], ['10%', '20%', '30%']],
  ['colours', ['\x1b[1;32mok\x1b[0m\n'], ['ok']],
  ['other escapes', ['\x1b[2Jx\x07\n'], ['\\x1b[2Jx\\x07']],
  ['nothing', [], []],
])('output is cut into lines: %s', (_case, chunks, lines) => {
  expect(linesOf(chunks)).toEqual(lines)
})

test('a line without an end is cut, and nothing of it is lost', () => {
  const pieces = linesOf(Array.from({ length: 100 }, () => 'x'.repeat(1000)))
  expect(pieces.join('')).toBe('x'.repeat(100_000))
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(MAX_LINE_LENGTH + 1000)
})

describe('a secret is hidden', () => {
  test.each<[string, string[], string[], string[]]>([
    ['in a line', ['token=hunter2!\n'], ['hunter2'], ['token=***!']],
    ['in pieces', ['token=hun', 'ter2\n'], ['hunter2'], ['token=***']],
    ['with the newline of its file', ['hunter2 hunter2\n'], ['hunter2\n'], ['*** ***']],
    ['each line of it', ['-----BEGIN\n', 'AbCdEf\n'], ['-----BEGIN\nAbCdEf\n'], ['***', '***']],
    ['the longer of two first', ['hunter2000\n'], ['hunter2', 'hunter2000'], ['***']],
    ['behind colours', ['hun\x1b[0mter2\n'], ['hunter2'], ['***']],
    ['but not what is too short to be one', ['a b c\n'], ['b', ''], ['a b c']],
  ])('%s', (_case, chunks, secrets, lines) => {
    expect(linesOf(chunks, ...secrets)).toEqual(lines)
  })

  test('where a long line is cut', () => {
    for (let shift = 0; shift < 10; shift++) {
      const text = `${'x'.repeat(MAX_LINE_LENGTH - shift)}hunter2${'y'.repeat(50)}`
      const pieces = [text.slice(0, MAX_LINE_LENGTH + 2), text.slice(MAX_LINE_LENGTH + 2)]
      const shown = linesOf(pieces, 'hunter2').join('')
      expect(shown).toContain('x***y')
    }
  })
})
