import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MAX_SECRET_BYTES } from '../../../src/engine/build/session-services.ts'
import { encodeMessage, ProtobufMessage } from '../../../src/engine/grpc/protobuf.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import type { BuildRequest } from '../../../src/ports/engine-build.ts'
import { temporaryFolder } from '../scripted-engine.ts'
import {
  BUILT,
  type Building,
  buildRequest,
  framed,
  type GrpcAnswer,
  recorder,
  scriptedBuildKit,
  trace,
} from './scripted-buildkit.ts'
import { log, status, vertex } from './status-messages.ts'

const OK = 0
const NOT_FOUND = 5
const UNIMPLEMENTED = 12
const INTERNAL = 13

const AUTH = '/moby.filesync.v1.Auth/Credentials'
const SECRET = '/moby.buildkit.secrets.v1.Secrets/GetSecret'
const CHECK_AGENT = '/moby.sshforward.v1.SSH/CheckAgent'
const FORWARD_AGENT = '/moby.sshforward.v1.SSH/ForwardAgent'

/** Runs a build in which BuildKit does `work` before it says that it is done. */
async function session(more: Partial<BuildRequest>, work: (building: Building) => Promise<unknown>) {
  const { engine } = await scriptedBuildKit(async (building) => {
    await building.context()
    await work(building)
    building.say(BUILT)
    building.response.end()
  })
  const { events, onEvent } = recorder()
  await engine.build(buildRequest(more), { onEvent })
  return events
}

/** What the client answers to one call. */
async function answerTo(more: Partial<BuildRequest>, path: string, message: Uint8Array): Promise<GrpcAnswer> {
  let answer: GrpcAnswer | undefined
  await session(more, async ({ ask }) => {
    answer = await ask(path, message)
  })
  return answer!
}

describe('credentials', () => {
  const mine = { username: 'alice', password: 'hunter2' }
  const credentialsFor = async (host: string) => (host === 'r.example:5000' ? mine : undefined)
  const answerFor = async (host: string, more: Partial<BuildRequest> = { credentialsFor }) => {
    const { status, message } = await answerTo(more, AUTH, encodeMessage({ 1: host }))
    const read = new ProtobufMessage(message)
    return [status, read.text(1), read.text(2)]
  }

  test('are given for their host', async () => {
    expect(await answerFor('r.example:5000')).toEqual([OK, 'alice', 'hunter2'])
  })

  test.each([
    'evil.example',
    'r.example',
    'r.example:5001',
    'sub.r.example:5000',
    'r.example:5000.evil.example',
    'R.example:5000/',
    'https://r.example:5000',
    '',
  ])('are not given to any other: %j', async (host) => {
    expect(await answerFor(host)).toEqual([OK, '', ''])
  })

  test('are empty when there are none at all', async () => {
    expect(await answerFor('r.example:5000', {})).toEqual([OK, '', ''])
  })

  test('may be an identity token', async () => {
    const token = async () => ({ identityToken: 'the-token' })
    expect(await answerFor('r.example', { credentialsFor: token })).toEqual([OK, '', 'the-token'])
  })

  test('of Docker Hub are asked for by one name, whatever BuildKit calls it', async () => {
    const hub = async (host: string) => (host === 'docker.io' ? mine : undefined)
    expect(await answerFor('registry-1.docker.io', { credentialsFor: hub })).toEqual([OK, 'alice', 'hunter2'])
  })

  test.each(['FetchToken', 'GetTokenAuthority', 'VerifyTokenAuthority'])(
    '%s is left to the engine',
    async (method) => {
      const answer = await answerTo({ credentialsFor }, `/moby.filesync.v1.Auth/${method}`, encodeMessage({}))
      expect(answer.status).toBe(UNIMPLEMENTED)
    },
  )
})

describe('secrets', () => {
  const value = Buffer.from('hunter2\nsecond line\n')
  const secret = { id: 'npm', read: async () => value }

  test('are given as they are', async () => {
    const { status, message } = await answerTo({ secrets: [secret] }, SECRET, encodeMessage({ 1: 'npm' }))
    expect([status, Buffer.from(new ProtobufMessage(message).bytes(1))]).toEqual([OK, value])
  })

  test('that nobody gave are not found, which BuildKit may accept', async () => {
    const answer = await answerTo({ secrets: [secret] }, SECRET, encodeMessage({ 1: 'other' }))
    expect(answer.status).toBe(NOT_FOUND)
  })

  test('are not read when nobody asks', async () => {
    const read = () => Promise.reject(new Error('it was read'))
    await session({ secrets: [{ id: 'npm', read }] }, async () => {})
  })

  test('are hidden in what steps print, in names and in the error', async () => {
    const { engine } = await scriptedBuildKit(async ({ context, ask, say, response }) => {
      await context()
      await ask(SECRET, encodeMessage({ 1: 'npm' }))
      const name = 'RUN echo hunter2'
      say(trace(status({ vertexes: [vertex({ name })], logs: [log('hunt'), log('er2 second line\n')] })))
      say(trace(status({ vertexes: [vertex({ name, completed: true, error: 'x' })] })))
      say({ error: 'running [echo hunter2] failed' })
      response.end()
    })
    const { events, onEvent } = recorder()
    const failure: unknown = await engine
      .build(buildRequest({ secrets: [secret] }), { onEvent })
      .catch((e) => e)
    expect(failure).toMatchObject({
      context: ['*** ***'],
      message: 'RUN echo ***: running [echo ***] failed',
    })
    expect(JSON.stringify(events)).not.toContain('hunter2')
  })

  describe('that cannot be read', () => {
    const failing = async (read: () => Promise<Uint8Array>) => {
      let answer: GrpcAnswer | undefined
      const { engine } = await scriptedBuildKit(async ({ context, ask, say, response }) => {
        await context()
        answer = await ask(SECRET, encodeMessage({ 1: 'npm' }))
        say({ error: 'the client could not answer' })
        response.end()
      })
      const failure: unknown = await engine
        .build(buildRequest({ secrets: [{ id: 'npm', read }] }))
        .catch((e) => e)
      return { failure, status: answer?.status }
    }

    test('are the error that is reported', async () => {
      const reason = new ImgctlError('FILE_NOT_FOUND', '~/.npmrc is not there')
      const { failure, status } = await failing(() => Promise.reject(reason))
      expect([failure, status]).toEqual([reason, INTERNAL])
    })

    test('because they are too large say so', async () => {
      const { failure } = await failing(async () => Buffer.alloc(MAX_SECRET_BYTES + 1))
      expect(failure).toMatchObject({ code: 'TOO_LARGE', message: expect.stringContaining('npm') })
    })
  })
})

describe('an SSH agent', () => {
  /** An agent that answers each message with its own bytes and a mark. */
  async function echoAgent(): Promise<string> {
    const path = join(await temporaryFolder(), 'agent.sock')
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk) => socket.write(Buffer.concat([Buffer.from('>'), chunk])))
    })
    server.listen(path)
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return path
  }

  const LIST = Buffer.from([0, 0, 0, 1, 11])
  const REMOVE_ALL = Buffer.from([0, 0, 0, 1, 19])

  test.each([
    ['default', '', OK],
    ['default', 'default', OK],
    ['deploy', 'deploy', OK],
    ['deploy', '', NOT_FOUND],
    ['default', 'other', NOT_FOUND],
  ])('%s is there when %j is asked for: status %i', async (id, asked, expected) => {
    const answer = await answerTo(
      { ssh: [{ id, socketPath: '/x' }] },
      CHECK_AGENT,
      encodeMessage({ 1: asked }),
    )
    expect(answer.status).toBe(expected)
  })

  test('is used by a step, but not changed', async () => {
    const ssh = [{ id: 'default', socketPath: await echoAgent() }]
    const replies: Buffer[] = []
    await session({ ssh }, async ({ stream }) => {
      const call = stream(FORWARD_AGENT, { 'buildkit.ssh.id': 'default' })
      for (const message of [LIST, REMOVE_ALL]) {
        call.write(framed(encodeMessage({ 1: message })))
        const [reply] = (await once(call, 'data')) as [Buffer]
        replies.push(Buffer.from(new ProtobufMessage(reply.subarray(5)).bytes(1)))
      }
      call.end()
      await buffer(call)
    })
    expect(replies.map((reply) => reply.toString('latin1'))).toEqual([
      '>\0\0\0\u0001\u000b',
      '>\0\0\0\u0001\0',
    ])
  })

  test('that is gone ends its client, not the build', async () => {
    const ssh = [{ id: 'default', socketPath: '/nonexistent/agent.sock' }]
    await session({ ssh }, async ({ stream }) => {
      const call = stream(FORWARD_AGENT, {})
      call.write(framed(encodeMessage({ 1: LIST })))
      expect((await buffer(call)).length).toBe(0)
    })
  })
})

test('BuildKit sees that the client is there', async () => {
  const { status, message } = await answerTo({}, '/grpc.health.v1.Health/Check', Buffer.alloc(0))
  expect([status, message.toString('hex')]).toEqual([OK, '0801'])
})

test('a request that is no message is refused, and the build goes on', async () => {
  const answer = await answerTo({}, AUTH, Buffer.from([0xff]))
  expect(answer.status).toBe(INTERNAL)
})
