import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { buildImage } from '../services/build-image.ts'
import { callEngine } from '../services/engine.ts'
import { describeWith, ownRegistry, service } from '../services/use.ts'
import { type FaultProxy, faultProxy } from '../support/fault-proxy.ts'
import { imgctl, serve, type TestServer } from './program.ts'

/** A new request belongs here with its reason: each one is paid for by every push of this kind. */
const FOUND = ['GET /_ping', 'GET /version', 'GET /info', 'GET /images/IMAGE/json']
/** Whether the name is free; the tag, the push, and the tag's end. */
const PUSHED_BY_ENGINE = [
  'GET /images/TARGET/json',
  'POST /images/IMAGE/tag',
  'POST /images/TARGET/push',
  'DELETE /images/TARGET',
]
/** Leftovers of killed runs are looked for in place of a target's id: a staging tag is nobody else's. */
const STAGED_BY_ENGINE = PUSHED_BY_ENGINE.map((call) =>
  call === 'GET /images/TARGET/json' ? 'GET /images/json' : call,
)

for (const name of ['dockerContainerd', 'dockerClassic'] as const) {
  describeWith([name], `what a push through ${name} asks`, () => {
    const isClassic = name === 'dockerClassic'
    const image = `imgctl-test/asks-${process.pid}:1.0`
    const changed = `imgctl-test/asks-${process.pid}:1.1`
    const registry = ownRegistry()
    let server: TestServer
    let engine: FaultProxy
    let toServer: FaultProxy
    let toRegistry: FaultProxy
    let folder: string
    beforeAll(async () => {
      const { socketPath } = service(name)
      server = await serve()
      folder = await mkdtemp(join(tmpdir(), 'imgctl-asks-'))
      engine = await faultProxy(socketPath, undefined, join(folder, 'docker.sock'))
      toServer = await faultProxy(server.url)
      toRegistry = await faultProxy(registry().url)
      const layers = 'FROM scratch\nCOPY a /a\nCOPY b /b\nENTRYPOINT ["/a"]\n'
      await buildImage(socketPath, { reference: image, dockerfile: layers, files: { a: 'a', b: 'b' } })
      const more = { dockerfile: `FROM ${image}\nCOPY c /c\n`, files: { c: 'c' } }
      await buildImage(socketPath, { reference: changed, ...more })
    })
    const forget = () => {
      for (const { exchanges } of [engine, toServer, toRegistry]) exchanges.length = 0
    }
    let number = 0
    let repository: string
    beforeEach(async () => {
      repository = `asks-${number++}`
      await rm(join(server.folder, 'cache'), { recursive: true, force: true })
      forget()
    })
    afterAll(async () => {
      for (const each of [changed, image]) {
        await callEngine(service(name).socketPath, `/images/${each}?force=true`, { method: 'DELETE' })
      }
      await Promise.all([engine.close(), toServer.close(), toRegistry.close()])
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    })

    /** What the engine was asked, in any order: some of it at once. */
    const ofEngine = () => engine.exchanges.map(({ method, path }) => inWords(`${method} ${path}`)).sort()
    /** What imgctl itself asked of the other side. */
    const ofPeer = ({ exchanges }: FaultProxy) =>
      exchanges
        .filter(({ headers }) => headers['user-agent']?.startsWith('imgctl/'))
        .map(({ method, path, status }) => `${inWords(`${method} ${path}`)} ${status}`)
        .sort()
    const inWords = (call: string) =>
      call
        .replace(/\?.*$/, '')
        .replace(/\/v\d\.\d+\//, '/')
        .replace(/\/images\/imgctl-test\/asks-\d+:1\.\d/, '/images/IMAGE')
        .replace(/(\/images\/)127\.0\.0\.1:\d+\/.*?(?=\/json|\/push|$)/, '$1TARGET')
        .replace(/^(\w+) \/v2\/.*\/(manifests|blobs)\//, '$1 $2/')
        .replace(/sha256:[0-9a-f]{64}/, 'DIGEST')
        .replace(/^(\w+ \/api\/images)\/.+/, '$1/ID')
        .replace(/\/_imgctl-.*/, '/STAGING')
    const push = async (...args: string[]) => {
      const env = { ...server.env, IMGCTL_SERVER: toServer.url, DOCKER_HOST: engine.url }
      expect(await imgctl(['image', 'push', ...args], { env })).toMatchObject({ code: 0 })
    }
    const to = (tag: string) => ['--to', `${toRegistry.host}/${repository}:${tag}`]
    const named = (tag: string) => ['--name', `${repository}:${tag}`]
    const heads = (count: number) => Array<string>(count).fill('HEAD blobs/DIGEST 200')
    /** An engine with the containerd store knows its manifest, the classic one its config. */
    const asked = (status: number) =>
      isClassic ? `HEAD blobs/DIGEST ${status}` : `GET manifests/DIGEST ${status}`
    /** The classic store knows its images by their configs: the next push may need the bytes. */
    const config = isClassic ? ['GET blobs/DIGEST 200'] : []
    const sizes = isClassic ? ['GET /images/IMAGE/history'] : []

    test('to a registry, cold: what there is, the push, and what it came to', async () => {
      await push(image, ...to('1.0'))
      expect(ofEngine()).toEqual([...FOUND, ...sizes, ...PUSHED_BY_ENGINE].sort())
      expect(ofPeer(toRegistry)).toEqual([asked(404), 'GET manifests/1.0 200', ...config].sort())
    })

    test('to a registry, unchanged: the engine is found, each blob is looked for, the tag is put', async () => {
      await push(image, ...to('1.0'))
      forget()
      await push(image, ...to('1.0'))
      expect(ofEngine()).toEqual([...FOUND].sort())
      const blobs = isClassic ? heads(2) : heads(3)
      const tag = ['PUT manifests/1.0 201', 'HEAD manifests/1.0 200']
      expect(ofPeer(toRegistry)).toEqual([asked(200), ...blobs, ...tag].sort())
    })

    // What picking single layers of a classic store asks is counted where that is tested.
    const unlessClassic = (title: string, action: () => Promise<void>) => isClassic || test(title, action)
    unlessClassic(
      'to a registry, one layer changed: as cold, and each known layer is looked for',
      async () => {
        await push(image, ...to('1.0'))
        forget()
        await push(changed, ...to('1.1'))
        expect(ofEngine()).toEqual([...FOUND, ...sizes, ...PUSHED_BY_ENGINE].sort())
        const came = ['GET manifests/1.1 200', ...config]
        expect(ofPeer(toRegistry)).toEqual([asked(404), ...heads(2), ...came].sort())
      },
    )

    /** Where to push, and under which name. The first request to the registry learns which token it takes. */
    const PLACE = ['GET /api/config 200', 'GET /api/docker-registry/registry-push-access 200']
    const TOKEN = [asked(401), 'GET /api/registry/token 200']
    const NAMED = (tag: string) => ['POST /api/images 200', `HEAD manifests/${tag} 200`]
    /** The staging tag goes with a token of its own. */
    const CLEANED = ['GET /api/registry/token 200', 'DELETE manifests/STAGING 202']
    const withoutWaiting = (calls: string[]) => calls.filter((call) => call !== 'GET /api/images/ID 200')

    test('to the server, cold: the same, under a staging tag, and the name', async () => {
      await push(image, ...named('1.0'))
      expect(ofEngine()).toEqual([...FOUND, ...sizes, ...STAGED_BY_ENGINE].sort())
      const came = ['GET manifests/DIGEST 200', ...config]
      expect(withoutWaiting(ofPeer(toServer))).toEqual(
        [
          ...PLACE,
          'GET /api/images/ID 404',
          ...TOKEN,
          asked(404),
          ...came,
          ...NAMED('1.0'),
          ...CLEANED,
        ].sort(),
      )
    })

    test('to the server, unchanged: the name is there with this very image', async () => {
      await push(image, ...named('1.0'))
      forget()
      await push(image, ...named('1.0'))
      expect(ofEngine()).toEqual([...FOUND].sort())
      const same = ['GET manifests/DIGEST 401', 'GET /api/registry/token 200', 'GET manifests/DIGEST 200']
      expect(ofPeer(toServer)).toEqual([...PLACE, 'GET /api/images/ID 200', ...same, ...NAMED('1.0')].sort())
    })

    unlessClassic(
      'to the server, one layer changed: as cold, and each known layer is looked for',
      async () => {
        await push(image, ...named('1.0'))
        forget()
        await push(changed, ...named('1.1'))
        expect(ofEngine()).toEqual([...FOUND, ...sizes, ...STAGED_BY_ENGINE].sort())
        const came = [...heads(2), 'GET manifests/DIGEST 200', ...config]
        expect(withoutWaiting(ofPeer(toServer))).toEqual(
          [
            ...PLACE,
            'GET /api/images/ID 404',
            ...TOKEN,
            asked(404),
            ...came,
            ...NAMED('1.1'),
            ...CLEANED,
          ].sort(),
        )
      },
    )

    test('a push over plain HTTP loads neither TLS nor HTTP/2 nor fetch of Node', async () => {
      const file = join(folder, 'loaded')
      const hook = join(import.meta.dirname, '../support/loaded-builtins.cjs')
      const env = {
        ...{ NODE_OPTIONS: `--require=${hook}`, LOADED_BUILTINS: file },
        ...{ NODE_EXTRA_CA_CERTS: undefined, DOCKER_HOST: engine.url },
      }
      const pushed = await imgctl(['image', 'push', image, ...to('1.0')], { env: { ...server.env, ...env } })
      expect(pushed).toMatchObject({ code: 0 })
      const loaded = (await readFile(file, 'utf8')).split('\n')
      expect(loaded).toContain('http')
      for (const heavy of ['tls', 'https', 'http2', 'internal/deps/undici/undici', 'worker_threads']) {
        expect(loaded).not.toContain(heavy)
      }
    })
  })
}
