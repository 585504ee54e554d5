import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startCli } from './run-cli.ts'

/** A server that takes requests and never answers; resolves when one is there. */
async function silentServer() {
  let arrived = () => {}
  let closed = () => {}
  const request = new Promise<void>((done) => {
    arrived = done
  })
  const connectionClosed = new Promise<void>((done) => {
    closed = done
  })
  const server = createServer((incoming) => {
    incoming.socket.on('close', closed)
    arrived()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, request, connectionClosed }
}

async function startWaiting(args: string[] = []) {
  const { url, request, connectionClosed } = await silentServer()
  const environment = { IMGCTL_SERVER: url, IMGCTL_API_KEY: 'k' }
  const cli = startCli(['whoami', ...args], { environment })
  await request
  return { ...cli, connectionClosed }
}

test.each([
  ['SIGINT', 130, 'interrupted'],
  ['SIGTERM', 143, 'terminated'],
] as const)('%s ends a request under way: exit %d', async (signal, code, word) => {
  const { run, err, out, connectionClosed } = await startWaiting()
  run.stop(signal)
  expect(await run.exitCode).toBe(code)
  expect([out(), err()]).toEqual(['', `${word}\n`])
  await connectionClosed
})

test('in JSON an interrupt is an error like others', async () => {
  const { run, err } = await startWaiting(['--format', 'json'])
  run.stop('SIGINT')
  await run.exitCode
  expect(JSON.parse(err()).error.code).toBe('INTERRUPTED')
})

test('a reader that went away ends the run without a word', async () => {
  const { run, err } = await startWaiting()
  run.outputFailed(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  expect(await run.exitCode).toBe(1)
  expect(err()).toBe('')
})

test('a full disk behind stdout is told', async () => {
  const { run, err } = await startWaiting()
  run.outputFailed(Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' }))
  expect(await run.exitCode).toBe(1)
  expect(err()).toContain('the disk is full')
})

test('an error that nobody caught is a bug: exit 1, no stack without --debug', async () => {
  const { run, err } = await startWaiting()
  run.fail(new TypeError('x is not a function'))
  expect(await run.exitCode).toBe(1)
  expect(err()).toContain('error: this is a bug in imgctl: x is not a function')
  expect(err()).not.toContain('    at ')
})

test('--debug shows the stack', async () => {
  const { run, err } = await startWaiting(['--debug'])
  run.fail(new TypeError('x is not a function'))
  await run.exitCode
  expect(err()).toContain('    at ')
})
