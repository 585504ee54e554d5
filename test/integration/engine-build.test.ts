import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BuildEvent } from '../../src/ports/engine-build.ts'
import { folderFiles, sentFile } from '../engine/build/memory-files.ts'
import {
  BUSYBOX,
  engineAt,
  labelled,
  logOf,
  processesWith,
  type RealRequest,
  realRequest,
  run,
} from '../engine/build/real-build.ts'
import { buildImage } from '../services/build-image.ts'
import { callEngine } from '../services/engine.ts'
import type { EngineName } from '../services/fixtures.ts'
import { describeWith, service } from '../services/use.ts'
import { until } from '../support/until.ts'
import { breakableWay } from './broken-peers.ts'

const BUILDERS: [EngineName, 'buildkit' | 'classic'][] = [
  ['dockerClassic', 'buildkit'],
  ['dockerContainerd', 'buildkit'],
  ['dockerClassic', 'classic'],
  ['podman', 'classic'],
]

/** Podman's API has no way to stop a step that runs. */
const stopsSteps = (name: EngineName) => name !== 'podman'

/** This run's own: other test files use the same engines at the same time. */
const RUN_ID = randomUUID().slice(0, 8)
const ALICE = { username: 'alice', password: 'not-for-you' }

for (const [name, builder] of BUILDERS) {
  describeWith([name, 'registry', 'privateRegistry'], `builds by ${builder} on ${name}`, () => {
    const socketPath = () => service(name).socketPath
    const tag = `imgctl-build-${RUN_ID}/${builder}:1`
    const label = `build=${RUN_ID}-${builder}`
    const labels = { build: `${RUN_ID}-${builder}` }
    /** Each step after this one is labelled, also when the build fails. */
    const LABELLED = `${BUSYBOX}LABEL ${label}\n`

    const build = async (request: RealRequest, host = service(name).dockerHost, signal?: AbortSignal) => {
      const events: BuildEvent[] = []
      const onEvent = (event: BuildEvent) => events.push(event)
      const options = { onEvent, ...(signal ? { signal } : {}) }
      const result = engineAt(host).build(await realRequest({ builder, ...request }), options)
      return { events, result }
    }
    const leftOver = async () => [
      ...(await labelled(socketPath(), 'images', label)),
      ...(await labelled(socketPath(), 'containers', label)),
    ]
    const remove = async (reference: string) => {
      const { status } = await callEngine(socketPath(), `/images/${reference}`, { method: 'DELETE' })
      expect(status).toBe(200)
    }

    test('makes an image with all that was asked for', async () => {
      const dockerfile = [
        ...['FROM scratch AS base', 'COPY busybox /bin/busybox', 'FROM base AS wanted', 'ARG V=none'],
        ...[run('echo "V is $V"').trim(), 'ENV VALUE=$V', 'FROM base', 'ENV VALUE=other', ''],
      ].join('\n')
      const { events, result } = await build({
        dockerfile,
        ...{ tags: [tag, `${tag}-b`], labels, target: 'wanted', buildArgs: { V: `é ${RUN_ID}` } },
        ...{ platform: { os: 'linux', architecture: 'amd64' }, noCache: true },
      })
      const { imageId, builder: used } = await result
      expect(used).toBe(builder)
      for (const reference of [tag, `${tag}-b`]) {
        const image = JSON.parse(
          (await callEngine(socketPath(), `/images/${reference}/json`)).body.toString(),
        )
        expect(image).toMatchObject({ Os: 'linux', Architecture: 'amd64', Config: { Labels: labels } })
        expect([image.Id.replace(/^(?!sha256:)/, 'sha256:'), image.Config.Env]).toEqual([
          imageId,
          expect.arrayContaining([`VALUE=é ${RUN_ID}`]),
        ])
      }
      expect(logOf(events)).toContain(`V is é ${RUN_ID}`)
      expect(events.some((event) => event.kind === 'context' && event.done && event.bytes > 100_000)).toBe(
        true,
      )
      await remove(`${tag}-b`)
      await remove(tag)
      expect(await leftOver()).toEqual([])
    })

    test('tells its steps, and which were in the cache', async () => {
      const dockerfile = `${BUSYBOX}ENV mark=${RUN_ID}-${builder}\n${run('echo hello')}`
      const states = async () => {
        const { events, result } = await build({ dockerfile, tags: [tag] })
        await result
        const ofRun = events.flatMap((event) =>
          event.kind === 'step' && /RUN/.test(event.name) ? event : [],
        )
        expect(new Set(ofRun.map(({ step }) => step)).size).toBe(1)
        return ofRun.map(({ state }) => state)
      }
      expect(await states()).toEqual(['started', 'done'])
      expect(await states()).toEqual(['started', 'cached'])
      await remove(tag)
    })

    describe('a failure leaves nothing:', () => {
      test('a RUN, with its exit code and its last lines', async () => {
        const command = 'i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo line $i; done; exit 42'
        const { result } = await build({ dockerfile: LABELLED + run(command), tags: [tag] })
        await expect(result).rejects.toMatchObject({
          code: 'BUILD_FAILED',
          message: expect.stringMatching(/RUN .* ended with exit code 42$/),
          context: Array.from({ length: 20 }, (_, index) => `line ${index + 31}`),
        })
        expect(await leftOver()).toEqual([])
        expect((await callEngine(socketPath(), `/images/${tag}/json`)).status).toBe(404)
      })

      test.each<[string, RealRequest, object]>([
        [
          'a mistake in the Dockerfile',
          { dockerfile: `${LABELLED}\nFOO bar\n` },
          { code: 'BUILD_FAILED', message: expect.stringMatching(/^Dockerfile:5: unknown instruction: FOO/) },
        ],
        ['an empty Dockerfile', { dockerfile: '' }, { message: 'Dockerfile has no instructions' }],
        [
          'a stage that is not there',
          { dockerfile: LABELLED, target: 'prod' },
          { message: 'Dockerfile has no stage prod' },
        ],
        [
          'a file that is not in the context',
          { dockerfile: `${LABELLED}COPY nosuch /x\n` },
          { code: 'BUILD_FAILED', message: expect.stringContaining('nosuch') },
        ],
      ])('%s', async (_case, request, expected) => {
        const { result } = await build({ ...request, tags: [tag] })
        await expect(result).rejects.toMatchObject(expected)
        expect(await leftOver()).toEqual([])
      })

      test('a base image that does not exist', async () => {
        const image = `${service('registry').host}/nosuch/${RUN_ID}:1`
        const { result } = await build({ dockerfile: `FROM ${image}\n`, baseImages: [image] })
        await expect(result).rejects.toMatchObject({
          code: 'IMAGE_NOT_FOUND',
          message: expect.stringContaining(image),
        })
      })

      test('a context that breaks', async () => {
        const reason = new Error('the disk went away')
        const whole = await realRequest({ builder, dockerfile: LABELLED, tags: [tag] })
        const half = async function* () {
          yield Buffer.alloc(2000)
          throw reason
        }
        const tar = () => Readable.from(half(), { objectMode: false })
        const files = folderFiles(async function* () {
          yield sentFile('busybox', half)
        }, tar)
        const broken = engineAt(service(name).dockerHost).build({ ...whole, files })
        await expect(broken).rejects.toBe(reason)
        expect(await leftOver()).toEqual([])
      })
    })

    describe('a private base image', () => {
      const base = `base/${name.toLowerCase()}-${builder}-${RUN_ID}:1`
      const image = () => `${service('privateRegistry').host}/${base}`
      const request = (): RealRequest => ({
        dockerfile: `FROM ${image()}\nLABEL ${label}\n`,
        ...{ baseImages: [image()], pull: true, tags: [tag] },
      })

      beforeAll(async () => {
        const { host, username, password } = service('privateRegistry')
        await buildImage(socketPath(), {
          reference: image(),
          dockerfile: 'FROM scratch\nCOPY mark /mark\n',
          files: { mark: base },
        })
        const auth = Buffer.from(JSON.stringify({ username, password, serveraddress: host })).toString(
          'base64',
        )
        const { body } = await callEngine(
          socketPath(),
          `/images/${image().replace(/:1$/, '')}/push?tag=1&tlsVerify=false`,
          {
            method: 'POST',
            headers: { 'X-Registry-Auth': auth.replaceAll('+', '-').replaceAll('/', '_') },
          },
        )
        expect(body.toString()).not.toContain('error')
        await remove(image())
      })

      test('is had with the credentials for its registry', async () => {
        const { host, username, password } = service('privateRegistry')
        const asked: string[] = []
        const { result } = await build({
          ...request(),
          credentialsFor: async (wanted) => {
            asked.push(wanted)
            return wanted === host ? { username, password } : ALICE
          },
        })
        await result
        expect(asked).toEqual([host])
        await remove(tag)
        await callEngine(socketPath(), `/images/${image()}`, { method: 'DELETE' })
      })

      test('is not had without, and says so', async () => {
        // BuildKit remembers credentials that worked for some minutes, but only for who can show them again.
        const { result } = await build(request())
        await expect(result).rejects.toMatchObject({ code: 'AUTH_REQUIRED', exitCode: 4 })
      })
    })

    describe('a build that is stopped', () => {
      const argument = String(10_000_000 + Math.floor(Math.random() * 1e6))

      if (stopsSteps(name)) {
        test('ends its step in the engine, and leaves nothing', async () => {
          const stop = new AbortController()
          const reason = new Error('stopped')
          const dockerfile = `${LABELLED}${run(`/bin/busybox sleep ${argument}`)}`
          const { result } = await build({ dockerfile, tags: [tag] }, undefined, stop.signal)
          const ended = expect(result).rejects.toBe(reason)
          await until(() => processesWith(argument).length > 0)
          stop.abort(reason)
          await ended
          await until(() => processesWith(argument).length === 0)
          await until(async () => (await leftOver()).length === 0)
          expect((await callEngine(socketPath(), `/images/${tag}/json`)).status).toBe(404)
        })
      } else {
        test('comes to no further step, and leaves nothing', async () => {
          const stop = new AbortController()
          const reason = new Error('stopped')
          const dockerfile = `${LABELLED}${run(`: ${argument}; /bin/busybox sleep 3.${argument}`)}ENV later=1\n`
          const { result } = await build({ dockerfile, tags: [tag] }, undefined, stop.signal)
          const ended = expect(result).rejects.toBe(reason)
          await until(() => processesWith(`3.${argument}`).length > 0)
          stop.abort(reason)
          await ended
          expect(await leftOver()).toEqual([])
          await until(() => processesWith(`3.${argument}`).length === 0)
          expect((await callEngine(socketPath(), `/images/${tag}/json`)).status).toBe(404)
          expect(await leftOver()).toEqual([])
        })
      }
    })

    if (stopsSteps(name)) {
      test('loses an engine that goes away', async () => {
        const way = await breakableWay(socketPath())
        const argument = String(20_000_000 + Math.floor(Math.random() * 1e6))
        const dockerfile = `${LABELLED}${run(`/bin/busybox sleep ${argument}`)}`
        const { result } = await build({ dockerfile, tags: [tag] }, `unix://${way.socketPath}`)
        const lost = expect(result).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE', retryable: true })
        await until(() => processesWith(argument).length > 0)
        way.cut()
        await lost
        await until(() => processesWith(argument).length === 0)
      })
    }

    afterAll(async () => {
      await callEngine(socketPath(), `/images/${tag}`, { method: 'DELETE' })
    })
  })
}
