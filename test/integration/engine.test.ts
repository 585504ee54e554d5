import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { extract, pack } from 'tar-stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEngine } from '../../src/engine/engine.ts'
import type { Engine } from '../../src/ports/engine.ts'
import { buildImage } from '../services/build-image.ts'
import { callEngine } from '../services/engine.ts'
import { type EngineName, fixtureImages, IMAGES } from '../services/fixtures.ts'
import { startPodman } from '../services/podman.ts'
import { describeWith, service, services } from '../services/use.ts'
import { breakableWay, refusingRegistry, silentRegistry } from './broken-peers.ts'

interface Expected {
  readonly product: 'docker' | 'podman'
  readonly store: 'classic' | 'containerd'
  readonly passesOver?: number
}

const ENGINES: [EngineName, Expected][] = [
  ['dockerClassic', { product: 'docker', store: 'classic', passesOver: 4 }],
  ['dockerContainerd', { product: 'docker', store: 'containerd' }],
  ['podman', { product: 'podman', store: 'classic' }],
]

/** This run's own: other test files use the same engines at the same time. */
const RUN = randomUUID().slice(0, 8)
const STAGING = `adapter-${RUN}-`
/** An image that no other test file tags. */
const IMAGE = `imgctl-adapter-${RUN}/app:1`

for (const [name, expected] of ENGINES) {
  describeWith([name, 'registry', 'privateRegistry'], `the engine adapter on ${name}`, () => {
    const engine = () => engineAt(service(name).dockerHost)
    const socketPath = () => service(name).socketPath

    beforeAll(() => build(socketPath(), IMAGE, name))
    afterAll(() => remove(socketPath(), IMAGE))

    const state = async () => {
      const { status, body } = await callEngine(socketPath(), `/images/${IMAGE}/json`)
      const { Id, RepoTags, RepoDigests } = JSON.parse(body.toString())
      return { status, Id, RepoTags, RepoDigests }
    }

    /** Runs `action` with a staging tag; then the tag is gone and the image is what it was. */
    const staged = async (host: string, action: (target: string) => Promise<void>) => {
      const target = `${host}/adapter/${name.toLowerCase()}:${STAGING}${randomUUID()}`
      const before = await state()
      await engine().tagImage(IMAGE, target)
      try {
        await action(target)
      } finally {
        await engine().untagImage(target)
      }
      expect(await engine().listTags(STAGING)).toEqual([])
      expect(await state()).toEqual(before)
    }

    test('says which engine it is', async () => {
      const { version, apiVersion, dockerHost } = service(name)
      const platform = { os: 'linux', architecture: 'amd64' }
      expect(await engine().info()).toEqual({ ...expected, version, apiVersion, platform, host: dockerHost })
    })

    test('describes an image by name, id, short id and digest', async () => {
      const { twoLayers } = await fixtureImages(name)
      const image = await engine().inspectImage(twoLayers)
      expect(image).toMatchObject({
        platform: { os: 'linux', architecture: 'amd64' },
        entrypoint: ['/bin/busybox'],
        cmd: ['cat', '/hello.txt'],
      })
      expect(image.diffIDs).toHaveLength(2)
      expect(image.repoTags.some((tag) => tag.endsWith(twoLayers))).toBe(true)
      expect(image.size).toBeGreaterThan(0)
      const hex = image.id.slice('sha256:'.length)
      for (const other of [image.id, hex, hex.slice(0, 12), `docker.io/${twoLayers}`]) {
        expect((await engine().inspectImage(other)).id).toBe(image.id)
      }
    })

    test('sees the platform of a foreign image', async () => {
      const { helloArm64 } = await fixtureImages(name)
      const { platform } = await engine().inspectImage(helloArm64)
      expect(platform).toEqual({ os: 'linux', architecture: 'arm64' })
    })

    test('suggests near names for an image that is not there', async () => {
      await fixtureImages(name)
      const missing = 'imgctl-test/helo:1.0'
      await expect(engine().inspectImage(missing)).rejects.toMatchObject({
        code: 'IMAGE_NOT_FOUND',
        hint: expect.stringContaining(IMAGES.hello),
      })
      await expect(engine().exportImage(missing)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
      await expect(engine().tagImage(missing, 'x/y:1')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
      await expect(engine().pushImage('127.0.0.1:1/x/y:1', undefined, {})).rejects.toMatchObject({
        code: 'IMAGE_NOT_FOUND',
      })
    })

    test('exports a docker-save archive', async () => {
      const { twoLayers } = await fixtureImages(name)
      const files: string[] = []
      const archive = extract()
      archive.on('entry', (header, content, next) => {
        files.push(header.name)
        content.resume().on('end', next)
      })
      const stream = await engine().exportImage(twoLayers)
      await new Promise<void>((resolve, reject) => {
        archive.on('finish', resolve)
        stream.on('error', reject).pipe(archive).on('error', reject)
      })
      expect(files).toContain('manifest.json')
    })

    test('stops an export half way and works on', async () => {
      const stop = new AbortController()
      const reason = new Error('stopped')
      const stream = await engine().exportImage(IMAGE, stop.signal)
      const reading = (async () => {
        for await (const _ of stream) stop.abort(reason)
      })()
      await expect(reading).rejects.toBe(reason)
      await expect(engine().inspectImage(IMAGE)).resolves.toBeDefined()
    })

    test('tags, pushes and untags: the engine is as before', async () => {
      const { url, host } = service('registry')
      await staged(host, async (target) => {
        expect(await engine().listTags(STAGING)).toEqual([target])
        const layers = new Set<string>()
        const { digest } = await engine().pushImage(target, undefined, {
          secure: false,
          onProgress: ({ layer }) => layers.add(layer),
        })
        // Podman 4.3 pushes without a word on its layers.
        expect(layers.size).toBe(name === 'podman' ? 0 : 2)
        expect(await digestAt(url, target)).toBe(digest)
        await engine().untagImage(target)
      })
    })

    test('pushes with the credentials it is given, and only with them', async () => {
      const { host, username, password } = service('privateRegistry')
      await staged(host, async (target) => {
        const push = (secret?: string) => {
          const auth = secret === undefined ? undefined : { username, password: secret, registry: host }
          return engine().pushImage(target, auth, { secure: false })
        }
        await expect(push()).rejects.toMatchObject({ code: 'AUTH_REQUIRED' })
        await expect(push('wrong')).rejects.toMatchObject({ code: 'AUTH_REQUIRED' })
        await expect(push(password)).resolves.toMatchObject({ digest: expect.any(String) })
      })
    })

    test.each([
      ['nothing listens', '127.0.0.1:1'],
      ['there is no such host', 'registry.invalid'],
    ])('says that it cannot reach a registry: %s', async (_case, host) => {
      await staged(host, async (target) => {
        await expect(engine().pushImage(target, undefined, { secure: false })).rejects.toMatchObject({
          code: 'REGISTRY_UNREACHABLE',
        })
      })
    })

    test('says that the registry forbids the push', async () => {
      const host = await refusingRegistry(403, 'DENIED')
      await staged(host, async (target) => {
        await expect(engine().pushImage(target, undefined, { secure: false })).rejects.toMatchObject({
          code: 'FORBIDDEN',
        })
      })
    })

    test('stops a push half way', async () => {
      const registry = await silentRegistry()
      await staged(registry.host, async (target) => {
        const stop = new AbortController()
        const reason = new Error('stopped')
        const pushing = engine().pushImage(target, undefined, { secure: false, signal: stop.signal })
        const stopped = expect(pushing).rejects.toBe(reason)
        await registry.asked
        stop.abort(reason)
        await stopped
      })
    })

    test('notices that the connection to the engine broke in the middle of a push', async () => {
      const registry = await silentRegistry()
      const way = await breakableWay(service(name).socketPath)
      await staged(registry.host, async (target) => {
        const far = engineAt(`unix://${way.socketPath}`)
        const pushing = far.pushImage(target, undefined, { secure: false })
        const lost = expect(pushing).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE', retryable: true })
        await registry.asked
        way.cut()
        await lost
      })
    })

    test('leaves an image without a tag alone: untagging would delete it', async () => {
      const id = await importImage(socketPath())
      await expect(engine().tagImage(id, 'x/y:1')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
      await expect(engine().inspectImage(id)).resolves.toMatchObject({ id, repoTags: [] })
      await remove(socketPath(), id)
    })
  })
}

describeWith(['podman', 'registry'], 'an engine that is killed', () => {
  test('in the middle of a push is unreachable, and its tag is found at the next start', async () => {
    const folder = join(services().runFolder, `killed-${RUN}`)
    const first = await startPodman(folder)
    await build(first.socketPath, IMAGE, 'killed')
    const registry = await silentRegistry()
    const target = `${registry.host}/adapter/killed:${STAGING}1`
    const engine = engineAt(first.dockerHost)
    await engine.tagImage(IMAGE, target)
    const lost = expect(engine.pushImage(target, undefined, { secure: false })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
    })
    await registry.asked
    await first.stop()
    await lost
    await expect(engine.untagImage(target)).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })

    const second = await startPodman(folder)
    try {
      const restarted = engineAt(second.dockerHost)
      expect(await restarted.listTags(STAGING)).toEqual([target])
      await restarted.untagImage(target)
      expect(await restarted.listTags(STAGING)).toEqual([])
      await expect(restarted.inspectImage(IMAGE)).resolves.toBeDefined()
    } finally {
      await second.stop()
    }
  })
})

function engineAt(host: string): Engine {
  return createEngine({ host, environment: { variables: {}, home: '/nonexistent', platform: 'linux' } })
}

/** Two layers; `mark` makes the image one of its own. */
async function build(socketPath: string, reference: string, mark: string): Promise<void> {
  await buildImage(socketPath, {
    reference,
    dockerfile: 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY mark /mark\nCMD ["/bin/busybox"]\n',
    files: { busybox: { from: '/bin/busybox' }, mark: `${RUN} ${mark}` },
  })
}

/** An image without a tag: what `docker import` makes of a file system. Answers its id. */
async function importImage(socketPath: string): Promise<string> {
  const tar = pack()
  tar.entry({ name: 'mark' }, RUN)
  tar.finalize()
  const body = await buffer(tar)
  const imported = await callEngine(socketPath, '/images/create?fromSrc=-', { method: 'POST', body })
  const id = /sha256:[0-9a-f]{64}/.exec(imported.body.toString())?.[0]
  if (id === undefined) throw new Error(`the import answered ${imported.status}: ${imported.body}`)
  return id
}

async function remove(socketPath: string, reference: string): Promise<void> {
  const { status } = await callEngine(socketPath, `/images/${reference}`, { method: 'DELETE' })
  expect(status).toBe(200)
}

/** The digest that a registry has for a tag. */
async function digestAt(url: string, target: string): Promise<string | null> {
  const [path, tag] = target.slice(target.indexOf('/') + 1).split(':')
  const accept = [
    'application/vnd.docker.distribution.manifest.v2+json',
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.oci.image.index.v1+json',
  ].join(', ')
  const answer = await fetch(`${url}/v2/${path}/manifests/${tag}`, { method: 'HEAD', headers: { accept } })
  return answer.headers.get('docker-content-digest')
}
