import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type EngineEvent, MAX_LINE_LENGTH, readEvents } from '../../src/engine/ndjson.ts'

class Reported extends Error {}

async function read(stream: Readable): Promise<EngineEvent[]> {
  const found: EngineEvent[] = []
  for await (const event of readEvents(stream, (message) => new Reported(message))) found.push(event)
  return found
}

function streamOf(...chunks: (string | Uint8Array)[]): Readable {
  return Readable.from(chunks.map((chunk) => Buffer.from(chunk)))
}

describe('the events of a stream', () => {
  test('come one a line, whatever the chunks', async () => {
    const text = '{"a":1}\n\r\n{"b":{"c":[2]}}\r\n  \n{"d":"\\n"}\n'
    const expected = [{ a: 1 }, { b: { c: [2] } }, { d: '\n' }]
    expect(await read(streamOf(text))).toEqual(expected)
    expect(await read(streamOf(...text))).toEqual(expected)
    expect(await read(streamOf())).toEqual([])
  })

  test('come while the stream is open', async () => {
    const stream = new PassThrough()
    const reading = readEvents(stream, (message) => new Reported(message))
    stream.write('{"first":1}\n{"sec')
    expect((await reading.next()).value).toEqual({ first: 1 })
    stream.end('ond":2}\n')
    expect((await reading.next()).value).toEqual({ second: 2 })
    expect((await reading.next()).done).toBe(true)
  })

  test('keep characters that are split over chunks', async () => {
    const bytes = Buffer.from('{"status":"größer 漢字 🚢"}\n')
    const chunks = [...bytes].map((byte) => Uint8Array.of(byte))
    expect(await read(streamOf(...chunks))).toEqual([{ status: 'größer 漢字 🚢' }])
  })

  test('include a last line without a newline', async () => {
    expect(await read(streamOf('{"a":1}\n{"b"', ':2}'))).toEqual([{ a: 1 }, { b: 2 }])
  })
})

describe('a failure in the stream is thrown', () => {
  test.each([
    ['docker', '{"errorDetail":{"code":1,"message":"no"},"error":"no (old form)"}\n', 'no'],
    ['podman', '{"error":"no"}\n', 'no'],
    ['detail alone', '{"errorDetail":{"message":"no"}}\n', 'no'],
    ['last, without a newline', '{"a":1}\n{"error":"no"}', 'no'],
    ['without a message', '{"errorDetail":{}}\n', 'the engine gave no reason'],
  ])('%s', async (_case, text, message) => {
    await expect(read(streamOf(text))).rejects.toThrow(new Reported(message))
  })

  test('but not an empty error beside a result', async () => {
    expect(await read(streamOf('{"error":"","status":"ok"}\n'))).toHaveLength(1)
  })
})

describe('a stream that is broken', () => {
  test('closed before its end', async () => {
    const stream = new PassThrough()
    stream.write('{"a":1}\n')
    setImmediate(() => stream.destroy())
    await expect(read(stream)).rejects.toMatchObject({ code: 'ENGINE_ERROR', retryable: true })
  })

  test('destroyed with a reason', async () => {
    const stream = new PassThrough()
    const reason = new Error('stopped')
    stream.write('{"a":1}\n')
    setImmediate(() => stream.destroy(reason))
    await expect(read(stream)).rejects.toBe(reason)
  })

  test.each(['<html>\u001b[2J</html>', '[1]', '7', 'null', '{"half":'])('has the line %j', async (line) => {
    await expect(read(streamOf('{"a":1}\n', `${line}\n`))).rejects.toMatchObject({
      code: 'ENGINE_ERROR',
      context: [line.replace('\u001b', '\\x1b')],
    })
  })

  test('has a line of 10 MB, which is not kept', async () => {
    let sent = 0
    const endless = Readable.from(
      (function* () {
        yield Buffer.from('{"a":"')
        for (; sent < 10_000_000; sent += 65_536) yield Buffer.alloc(65_536, 'x')
      })(),
    )
    await expect(read(endless)).rejects.toMatchObject({ code: 'ENGINE_ERROR' })
    expect(sent).toBeLessThan(2 * MAX_LINE_LENGTH)
  })

  test('a long line within the limit is an event', async () => {
    const long = 'x'.repeat(MAX_LINE_LENGTH - 100)
    expect(await read(streamOf(`{"a":"${long}"}\n`))).toEqual([{ a: long }])
  })
})
