import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildImage } from '../services/build-image.ts'
import { callEngine, engineList } from '../services/engine.ts'
import { ENGINE, ENGINES } from '../services/engines.ts'
import { type EngineName, fixtureImages, IMAGES } from '../services/fixtures.ts'
import { describeWith, service } from '../services/use.ts'
import { until } from '../support/until.ts'
import { imgctl, jsonError, type Result, serve, startImgctl, type TestServer } from './program.ts'

let server: TestServer
beforeAll(async () => {
  server = await serve()
})
afterAll(() => server.stop())

for (const engine of ENGINES) {
  describeWith([engine], `an image of ${engine}`, () => {
    beforeAll(() => fixtureImages(engine))

    test.each(['auto', 'engine', 'direct'] as const)(
      'pushed --via %s is active, and the engine is as before',
      async (via) => {
        const name = `${engine.toLowerCase()}:${via}`
        const before = await references(engine)
        const result = await push(engine, IMAGES.twoLayers, '--name', name, '--via', via)
        expect(result).toMatchObject({ code: 0 })
        expect(result.stdout).toMatch(
          new RegExp(`^${server.host}/default/${engine.toLowerCase()}@sha256:[0-9a-f]{64}\n$`),
        )
        expect(await references(engine)).toEqual(before)
        expect(stagingTags()).toEqual([])
      },
    )

    test('pushed again: the same digest, nothing is sent', async () => {
      const name = `${engine.toLowerCase()}-again:1.0`
      const first = await push(engine, IMAGES.hello, '--name', name)
      const second = await push(engine, IMAGES.hello, '--name', name)
      expect(second).toMatchObject({ code: 0, stdout: first.stdout })
      expect(second.stderr).not.toContain('Pushed')
    })

    test('that is not there is not found, with what was perhaps meant', async () => {
      const result = await push(engine, 'imgctl-test/helo:1.0', '--progress', 'json')
      expect(result.code).toBe(3)
      expect(jsonError(result)).toMatchObject({
        code: 'IMAGE_NOT_FOUND',
        hint: expect.stringContaining(IMAGES.hello),
      })
    })

    test('for arm64 is refused before anything is sent', async () => {
      const before = await references(engine)
      const result = await push(engine, IMAGES.helloArm64, '--progress', 'json')
      expect(result.code).toBe(5)
      expect(jsonError(result)).toMatchObject({ code: 'ARCH_MISMATCH' })
      expect(await references(engine)).toEqual(before)
    })

    test('whose name is taken by another image is a conflict, and the name stays', async () => {
      const name = `${engine.toLowerCase()}-taken:1.0`
      const first = await push(engine, IMAGES.hello, '--name', name)
      const before = await references(engine)
      const second = await push(engine, IMAGES.twoLayers, '--name', name, '--progress', 'json')
      expect(second.code).toBe(7)
      expect(jsonError(second)).toMatchObject({
        code: 'NAME_TAKEN',
        hint: expect.stringMatching(/another .* delete it first/),
      })
      const inspected = await imgctl(['image', 'inspect', '--remote', name, '--format', '{{.Digest}}'], {
        env: server.env,
      })
      expect(first.stdout).toContain(inspected.stdout.trim())
      expect(await references(engine)).toEqual(before)
    })

    test('by its id needs a name, and then works', async () => {
      const { Id } = (await engineJson(engine, `/images/${IMAGES.hello}/json`)) as { Id: string }
      const short = Id.replace('sha256:', '').slice(0, 12)
      const result = await push(engine, short, '--name', `${engine.toLowerCase()}-id:1.0`)
      expect(result.code).toBe(0)
    })
  })
}

describeWith([ENGINE], `a push from ${ENGINE} that is stopped`, () => {
  const tag = 'imgctl-test/slow:1.0'
  beforeAll(() => bigImage(ENGINE, tag))

  test('by Ctrl-C ends with 130 and leaves no tag', async () => {
    const before = await references(ENGINE)
    const run = startPush(ENGINE, tag, '--via', 'engine')
    await until(() => run.stderr().includes('The push refers to'))
    await until(async () => (await references(ENGINE)).some((name) => name.includes('_imgctl-')))
    run.child.kill('SIGINT')
    expect(await run.ended).toMatchObject({ code: 130, stdout: '' })
    expect(await references(ENGINE)).toEqual(before)
  })

  test('by kill -9 leaves a tag that the next run removes', async () => {
    const before = await references(ENGINE)
    // Other test files push from this engine too, and would remove what a run of this machine left.
    const hostname = `imgctl-${randomUUID()}`
    const env = { ...server.env, DOCKER_HOST: service(ENGINE).dockerHost }
    const start = () => startImgctl(['image', 'push', tag, '--via', 'engine'], { env, hostname })
    const run = start()
    await until(async () => (await references(ENGINE)).some((name) => name.includes('_imgctl-')))
    run.child.kill('SIGKILL')
    await run.ended
    const next = await start().ended
    expect(next.code).toBe(0)
    expect(next.stderr).toMatch(/^removed .*_imgctl-.*, left by a run that was killed$/m)
    expect(await references(ENGINE)).toEqual(before)
  })

  test('by Ctrl-C while it is exported ends with 130 too', async () => {
    // Without what the pushes before have learned: with that nothing is exported.
    const run = startImgctl(['image', 'push', tag, '--name', 'slow:2.0', '--via', 'direct'], {
      env: {
        ...server.env,
        DOCKER_HOST: service(ENGINE).dockerHost,
        XDG_CACHE_HOME: join(server.folder, 'no-cache'),
      },
    })
    await until(() => run.stderr().includes('export'))
    run.child.kill('SIGINT')
    expect(await run.ended).toMatchObject({ code: 130, stdout: '' })
  })
})

test('no engine where one was named: that place, and the ways without it', async () => {
  const env = { ...server.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
  const result = await imgctl(['image', 'push', 'app:1.0', '--progress', 'json'], { env })
  expect(result.code).toBe(8)
  expect(jsonError(result)).toMatchObject({
    code: 'ENGINE_UNREACHABLE',
    message: expect.stringContaining('unix:///nonexistent/docker.sock'),
    hint: expect.stringMatching(/^start it, or name another \(--host.*imgctl image push \.\/app\.tar/),
  })
})

function push(engine: EngineName, ...args: string[]): Promise<Result> {
  return startPush(engine, ...args).ended
}

function startPush(engine: EngineName, ...args: string[]) {
  const env = { ...server.env, DOCKER_HOST: service(engine).dockerHost }
  return startImgctl(['image', 'push', ...args], { env })
}

/** Every tag and digest by which the engine knows an image of ours: other test files use the engine too. */
async function references(engine: EngineName): Promise<string[]> {
  const images = await engineList(service(engine).socketPath, '/images/json')
  const all = images.flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])])
  const isOurs = (name: string) =>
    name.startsWith(`${server.host}/`) || Object.values(IMAGES).some((image) => name.endsWith(image))
  return all.filter(isOurs).sort()
}

async function engineJson(engine: EngineName, path: string): Promise<unknown> {
  const { body } = await callEngine(service(engine).socketPath, path)
  return JSON.parse(body.toString())
}

/** The registry lists no staging tag, so this looks into the server's database. */
function stagingTags(): unknown[] {
  const db = new DatabaseSync(join(server.folder, 'data', 'imgctl.db'), { readOnly: true })
  try {
    return db.prepare("SELECT tag FROM tags WHERE tag LIKE '\\_imgctl-%' ESCAPE '\\'").all()
  } finally {
    db.close()
  }
}

/** Large enough that a push of it can be stopped. */
async function bigImage(engine: EngineName, reference: string): Promise<void> {
  const { randomBytes } = await import('node:crypto')
  const blob = randomBytes(48 * 1024 * 1024).toString('base64')
  await buildImage(service(engine).socketPath, {
    reference,
    dockerfile: 'FROM scratch\nCOPY blob /blob\nENTRYPOINT ["/blob"]\n',
    files: { blob },
  })
}
