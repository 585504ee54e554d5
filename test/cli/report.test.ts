import { expect, test } from 'vitest'
import { reportError, wantsJson } from '../../src/cli/report.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import { PromptInterrupted } from '../../src/terminal/prompt.ts'
import { capturedStreams } from '../terminal/captured-streams.ts'

const NAME_ERROR = new ImgctlError(
  'NAME_INVALID',
  '"Foo" is not a valid image name: a repository is lowercase',
  {
    context: ['Foo', '^'],
    hint: "did you mean 'foo'?",
  },
)

function report(error: unknown, options = { json: false, debug: false }, tty = false) {
  const streams = capturedStreams({ tty })
  const code = reportError(error, streams, options)
  return { code, out: streams.out(), err: streams.err() }
}

test('as text: the message, what explains it, what to do', () => {
  expect(report(NAME_ERROR)).toEqual({
    code: 2,
    out: '',
    err: [
      'error: "Foo" is not a valid image name: a repository is lowercase',
      '  Foo',
      '  ^',
      "hint: did you mean 'foo'?",
      '',
    ].join('\n'),
  })
})

test('colours on a terminal only', () => {
  expect(report(NAME_ERROR, undefined, true).err).toContain('\x1b[31merror:\x1b[39m')
})

test('as JSON: one line, every key', () => {
  const error = new ImgctlError('RATE_LIMITED', 'slow down', {
    status: 429,
    requestId: 'r1',
    retryable: true,
  })
  const { err, code } = report(error, { json: true, debug: false })
  expect(code).toBe(8)
  expect(err.endsWith('\n') && JSON.parse(err)).toEqual({
    error: {
      code: 'RATE_LIMITED',
      message: 'slow down',
      context: [],
      hint: null,
      retryable: true,
      status: 429,
      requestId: 'r1',
    },
  })
})

test('as JSON: with the lines that explain it', () => {
  const { err } = report(NAME_ERROR, { json: true, debug: false })
  expect(JSON.parse(err).error.context).toEqual(['Foo', '^'])
})

test("the server's request id is shown with its failures", () => {
  const error = new ImgctlError('SERVER_ERROR', 'failed', { status: 500, requestId: 'r-77' })
  expect(report(error).err).toContain('request id: r-77')
})

test('escapes from outside are made visible', () => {
  const error = new ImgctlError('SERVER_ERROR', 'bad \x1b[2J', { hint: '\x07', context: ['\x1b[1A'] })
  expect(report(error).err).not.toMatch(/[\x00-\x08\x0b-\x1f]/)
})

test('--debug adds the stacks of the error and its causes', () => {
  const error = new ImgctlError('INTERNAL', 'outer', { cause: new Error('inner') })
  const { err } = report(error, { json: false, debug: true })
  expect(err).toMatch(/ {4}at .*report\.test/)
  expect(err).toContain('caused by Error: inner')
})

test.each<[unknown, number, RegExp]>([
  [new PromptInterrupted(), 130, /^interrupted$/m],
  [Object.assign(new Error('x'), { code: 'ENOSPC' }), 1, /^error: the disk is full$/m],
  [new RangeError('oops'), 1, /^error: this is a bug in imgctl: oops$/m],
  ['a string', 1, /^error: this is a bug in imgctl: a string$/m],
])('%o: exit %d', (error, code, text) => {
  const result = report(error)
  expect(result.code).toBe(code)
  expect(result.err).toMatch(text)
})

test.each<[string, boolean]>([
  ['image list --format json', true],
  ['image list --format=json', true],
  ['image list -f json', true],
  ['image list -fjson', true],
  ['image push x --progress json', true],
  ['image push x --progress=json', true],
  ['image list --format yaml', false],
  ['image list', false],
  ['image list --name json', false],
  ['image delete -- --format json', false],
])('%s wants JSON: %s', (line, wants) => expect(wantsJson(line.split(' '))).toBe(wants))
