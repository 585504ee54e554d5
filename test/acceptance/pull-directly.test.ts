import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { callEngine } from '../services/engine.ts'
import { ENGINES } from '../services/engines.ts'
import { type PublishedIndex, publishIndex } from '../services/index-image.ts'
import { describeWith, ownRegistry, service } from '../services/use.ts'
import { type HiddenRegistry, hiddenRegistry } from './hidden-registry.ts'
import { imgctl, jsonError, serve, type TestServer } from './program.ts'

for (const engine of ENGINES) {
  describeWith([engine, 'registry'], `${engine}, which does not reach the registry`, () => {
    const registry = ownRegistry()
    let server: TestServer
    let hidden: HiddenRegistry
    let published: PublishedIndex
    beforeAll(async () => {
      server = await serve()
      published = await publishIndex(registry().url, 'team/app', '1', ['amd64', 'arm64'])
      hidden = await hiddenRegistry(Number(new URL(registry().url).port))
    })
    afterAll(async () => {
      await hidden.close()
      await server.stop()
    })
    const image = () => `${hidden.host}/team/app:1`
    const call = (method: string, path: string) => callEngine(service(engine).socketPath, path, { method })
    afterEach(() => call('DELETE', `/images/${image()}?force=true`))
    const pull = (args: string[], env: Readonly<Record<string, string>> = hidden.env) => {
      const own = { ...server.env, DOCKER_HOST: service(engine).dockerHost }
      return imgctl(['image', 'pull', ...args], { env: { ...own, ...env } })
    }

    test('gets the image from here, for its own platform, in one line of explanation', async () => {
      const pulled = await pull([image()])
      expect(pulled, pulled.stderr).toMatchObject({
        code: 0,
        stdout: `${hidden.host}/team/app@${published.digest}\n`,
      })
      const said = pulled.stderr.split('\n').filter((line) => line.includes('getting it from here'))
      expect(said).toHaveLength(1)
      const { body } = await call('GET', `/images/${image()}/json`)
      expect(JSON.parse(body.toString())).toMatchObject({
        Architecture: 'amd64',
        RootFS: { Layers: [published.images[0]!.diffID] },
      })
      const again = await pull([image(), '--format', 'json'])
      expect(JSON.parse(again.stdout)).toMatchObject({ isNew: false, digest: published.digest })
    })

    test('gets the platform that is asked for', async () => {
      const pulled = await pull([image(), '--platform', 'linux/arm64', '--format', 'json'])
      expect(pulled, pulled.stderr).toMatchObject({ code: 0 })
      expect(JSON.parse(pulled.stdout)).toMatchObject({ platform: 'linux/arm64', isNew: true })
      const absent = await pull([image(), '--platform', 'linux/s390x', '--format', 'json'])
      expect(absent.code).toBe(5)
      expect(jsonError(absent)).toMatchObject({ code: 'ARCH_MISMATCH' })
    })

    test('a registry that is not reached from here either is an error, and nothing is loaded', async () => {
      const failed = await pull([image(), '--format', 'json'], { HTTPS_PROXY: 'http://127.0.0.1:9' })
      expect(failed.code).toBe(8)
      expect(jsonError(failed)).toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
      expect((await call('GET', `/images/${image()}/json`)).status).toBe(404)
      const missing = await pull([`${hidden.host}/team/none:1`, '--format', 'json'])
      expect(missing.code).toBe(3)
      expect(jsonError(missing)).toMatchObject({ code: 'IMAGE_NOT_FOUND' })
    })
  })
}
