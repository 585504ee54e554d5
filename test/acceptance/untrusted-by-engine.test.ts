import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { writeTlsFiles } from '../server/start-tls-files.ts'
import { callEngine } from '../services/engine.ts'
import { fixtureImages, IMAGES } from '../services/fixtures.ts'
import { describeWith, ownRegistry, service } from '../services/use.ts'
import { EXPORTS, type FaultProxy, faultProxy } from '../support/fault-proxy.ts'
import { type HiddenRegistry, hiddenRegistry } from './hidden-registry.ts'
import { imgctl, jsonError, notes, serve, type TestServer } from './program.ts'

const FROM_HERE = /^the engine cannot push it, sending it from here \(/
/** Engines trust whatever is on loopback. */
const address = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === 'IPv4' && !each.internal)?.address

for (const name of ['dockerClassic', 'dockerContainerd', 'podman'] as const) {
  describeWith([name, 'registry'], `a registry that ${name} does not trust`, () => {
    let folder: string
    let secured: TestServer
    let hidden: HiddenRegistry
    const open = ownRegistry()
    let engine: FaultProxy
    let pushes = 0
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'imgctl-tls-'))
      const { certFile, keyFile } = await writeTlsFiles(folder)
      secured = await serve(['--host', address ?? '127.0.0.1', '--tls-cert', certFile, '--tls-key', keyFile])
      hidden = await hiddenRegistry(Number(new URL(open().url).port))
      engine = await faultProxy(service(name).socketPath, undefined, join(folder, 'docker.sock'))
      await fixtureImages(name)
      await logIn(secured)
    })
    beforeEach(() => {
      engine.exchanges.length = 0
    })
    afterAll(async () => {
      await Promise.all([engine.close(), hidden.close()])
      await secured.stop()
      await rm(folder, { recursive: true, force: true })
    })

    const push = (env: Record<string, string>, ...args: string[]) =>
      imgctl(['image', 'push', IMAGES.hello, '--progress', 'json', ...args], {
        env: {
          ...secured.env,
          DOCKER_HOST: engine.url,
          DOCKER_CONFIG: folder,
          XDG_CACHE_HOME: fresh(),
          ...env,
        },
      })
    /** What an earlier push has learned would be a reason to send it from here. */
    const fresh = () => join(folder, `cache-${pushes++}`)
    const named = (...args: string[]) => ['--name', `untrusted-${pushes}:1.0`, ...args]
    const tags = async () => {
      const { body } = await callEngine(service(name).socketPath, `/images/${IMAGES.hello}/json`)
      const { RepoTags } = JSON.parse(body.toString()) as { RepoTags: string[] }
      return RepoTags.filter((tag) => tag.startsWith(secured.host) || tag.startsWith(hidden.host))
    }
    async function logIn({ host, apiKey }: TestServer) {
      const auth = Buffer.from(`any:${apiKey}`).toString('base64')
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }))
    }

    describe.runIf(address)('with --insecure', () => {
      test.each([
        ['the server', () => named()],
        ['another registry', () => ['--to', `${secured.host}/default/to-${pushes}:1.0`]],
      ])('to %s: it is sent from here, which one line says', async (_, to) => {
        const result = await push({}, '--insecure', ...to())
        expect(result).toMatchObject({ code: 0 })
        const said = notes(result).filter((note) => FROM_HERE.test(note))
        expect(said).toEqual([expect.stringMatching(/x509|tls/)])
        expect(engine.count('GET', EXPORTS)).toBe(1)
        expect(await tags()).toEqual([])
      })

      test('and --via engine: the engine decides, and the error says so', async () => {
        const result = await push({}, '--insecure', '--via', 'engine', ...named())
        expect(result.code).toBe(8)
        expect(jsonError(result)).toMatchObject({
          code: 'REGISTRY_UNREACHABLE',
          hint: expect.stringMatching(/--insecure do not reach it, or push past the engine: --via direct$/),
        })
        expect(engine.count('GET', EXPORTS)).toBe(0)
        expect(await tags()).toEqual([])
      })
    })

    test('with --ca-file, behind a proxy that the engine does not know: it is sent from here', async () => {
      const { NODE_EXTRA_CA_CERTS: certificate, ...env } = hidden.env
      const to = ['--to', `${hidden.host}/team/app:${pushes}`]
      const result = await push(env, '--ca-file', certificate!, ...to)
      expect(result).toMatchObject({ code: 0 })
      expect(notes(result).filter((note) => FROM_HERE.test(note))).toHaveLength(1)
      expect(engine.count('GET', EXPORTS)).toBe(1)
      expect(await tags()).toEqual([])
    })
  })
}
