import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { surveyEngines } from '../../src/engine/survey.ts'
import { emptyEnvironment, scriptedEngine, temporaryFolder } from './scripted-engine.ts'

const signal = new AbortController().signal

async function engineSocket(): Promise<string> {
  const json =
    (value: object) =>
    (_: unknown, response: { end: (text: string) => void }): void =>
      response.end(JSON.stringify(value))
  const { socketPath } = await scriptedEngine({
    answers: {
      'GET /version': json({ Version: '20.10.24', Os: 'linux', Arch: 'amd64' }),
      'GET /info': json({}),
    },
  })
  return socketPath
}

test('every usual place is looked at, also after one that answers', async () => {
  const home = await temporaryFolder()
  const [colima, rancher, orb] = ['.colima/default', '.rd', '.orbstack/run'].map((each) => join(home, each))
  for (const folder of [colima!, rancher!, orb!]) await mkdir(folder, { recursive: true })
  await symlink(await engineSocket(), join(colima!, 'docker.sock'))
  await symlink(await engineSocket(), join(rancher!, 'docker.sock'))
  await writeFile(join(orb!, 'docker.sock'), '')

  const places = await surveyEngines(emptyEnvironment(home), {}, signal)
  const inHome = places.filter(({ host }) => host.startsWith(`unix://${home}`))
  expect(inHome.map(({ origin, found }) => [origin, 'product' in found ? found.version : found])).toEqual([
    ['Docker Desktop', { kind: 'absent', reason: 'there is no such socket' }],
    ['Docker Desktop', { kind: 'absent', reason: 'there is no such socket' }],
    ['Colima', '20.10.24'],
    ['Colima', { kind: 'absent', reason: 'there is no such socket' }],
    ['OrbStack', { kind: 'unreachable', reason: 'nothing listens there' }],
    ['Rancher Desktop', '20.10.24'],
    ['Podman', { kind: 'absent', reason: 'there is no such socket' }],
  ])
})

test('a named place is the only one', async () => {
  const host = `unix://${await engineSocket()}`
  expect(await surveyEngines(emptyEnvironment('/nowhere'), { host }, signal)).toEqual([
    {
      origin: '--host',
      host,
      found: {
        product: 'docker',
        version: '20.10.24',
        apiVersion: '1.41',
        store: 'classic',
        passesOver: 4,
        platform: { os: 'linux', architecture: 'amd64' },
        host,
      },
    },
  ])
})

test('an interrupt ends it, also at a place that never answers', async () => {
  const path = join(await temporaryFolder(), 'silent.sock')
  const connected = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    connected.resolve()
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  const controller = new AbortController()
  const looking = surveyEngines(emptyEnvironment('/nowhere'), { host: `unix://${path}` }, controller.signal)
  await connected.promise
  controller.abort(new Error('stopped'))
  await expect(looking).rejects.toThrow('stopped')
})
