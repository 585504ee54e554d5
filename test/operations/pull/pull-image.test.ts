import { expect, test } from 'vitest'
import type { Image } from '../../../src/contract/image.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { type PullPorts, pullImage } from '../../../src/operations/pull/pull-image.ts'
import type { EngineAuth } from '../../../src/ports/engine-push.ts'
import type { Repository, RepositoryLocation } from '../../../src/ports/registry.ts'
import type { RegistryCredentials } from '../../../src/ports/registry-credentials.ts'
import { sessionOf } from '../session.ts'

const DIGEST: Digest = `sha256:${'d'.repeat(64)}`
const SIGNAL = new AbortController().signal
const SERVER = 'http://127.0.0.1:7700'
const KEY = 'img_the-key'
const PUSH_ACCESS = { username: 'imgctl', password: 'an-hour', registry: '127.0.0.1:7700' }

interface Given {
  image?: Partial<Image>
  docker?: Record<string, RegistryCredentials>
  pushAccess?: ImgctlError
  loggedOut?: boolean
  digests?: Digest[]
  /** What the engine's own pull ends with. */
  failure?: ImgctlError
  /** What the registry has under the tag now. */
  tagged?: Digest
}

/** Ports that record what the engine is asked for, and with which credentials. */
function ports({
  image,
  docker = {},
  pushAccess,
  loggedOut,
  digests = [DIGEST],
  failure,
  tagged,
}: Given = {}) {
  const opened: RepositoryLocation[] = []
  const pulls: { reference: string; auth: EngineAuth | undefined; secure: boolean | undefined }[] = []
  const asked: string[] = []
  const server = {
    image: async (name: string) => {
      if (!image) throw new ImgctlError('IMAGE_NOT_FOUND', `there is no image ${name}`, { hint: 'look' })
      return {
        name,
        state: 'active',
        digest: DIGEST,
        reference: `127.0.0.1:7700/default/${name}`,
        ...image,
      } as Image
    },
    config: async () => ({ registry: { host: '127.0.0.1:7700', secure: false } }) as never,
    pushAccess: async (repository: string) => {
      asked.push(repository)
      if (pushAccess) throw pushAccess
      return { username: 'imgctl', secret: 'an-hour' } as never
    },
  }
  const made: PullPorts = {
    engine: {
      pullImage: async (reference, auth, { secure }) => {
        pulls.push({ reference, auth, secure })
        if (failure) throw failure
        return { id: DIGEST, digests, isNew: true, platform: { os: 'linux', architecture: 'amd64' } }
      },
    } as Partial<PullPorts['engine']> as PullPorts['engine'],
    serverUrl: async () => SERVER,
    session: async () => sessionOf(SERVER, KEY),
    server: async () => {
      if (loggedOut) throw new ImgctlError('AUTH_REQUIRED', 'not logged in', { hint: 'imgctl login' })
      return server
    },
    registryCredentials: async () => ({ credentialsFor: async (host) => docker[host] }),
    openRepository: async () => (location) => {
      opened.push({ ...location, secure: location.secure ?? true })
      return { manifestDigest: async () => tagged } as Partial<Repository> as Repository
    },
  }
  return { ports: made, pulls, asked, opened }
}

const pull = (given: PullPorts, image: string) =>
  pullImage(given, { image, platform: undefined }, () => {}, SIGNAL)

test("a bare name is the server's, with an hour's access to its repository", async () => {
  const {
    ports: given,
    pulls,
    asked,
  } = ports({ image: {}, docker: { '127.0.0.1:7700': { username: 'x', password: 'y' } } })
  const pulled = await pull(given, 'team/app:1.0')
  expect(pulls).toEqual([
    { reference: '127.0.0.1:7700/default/team/app:1.0', auth: PUSH_ACCESS, secure: false },
  ])
  expect(asked).toEqual(['team/app'])
  expect(pulled.pinned).toBe(`127.0.0.1:7700/default/team/app@${DIGEST}`)
})

test('who may only read shows the key itself', async () => {
  const { ports: given, pulls } = ports({ image: {}, pushAccess: new ImgctlError('FORBIDDEN', 'read only') })
  await pull(given, 'app:1.0')
  expect(pulls[0]!.auth).toEqual({ username: 'imgctl', password: KEY, registry: '127.0.0.1:7700' })
})

test("the server's host in a reference means the server too, logged in or not", async () => {
  const { ports: given, pulls } = ports()
  await pull(given, '127.0.0.1:7700/default/app:1.0')
  expect(pulls[0]!.auth).toEqual(PUSH_ACCESS)
  const out = ports({ loggedOut: true })
  await pull(out.ports, '127.0.0.1:7700/default/app:1.0')
  expect(out.pulls[0]!.auth).toBeUndefined()
})

test.each<[image: string, reference: string, host: string, secure: boolean]>([
  ['registry.example/app', 'registry.example/app:latest', 'registry.example', true],
  ['registry.example:5000/app:1', 'registry.example:5000/app:1', 'registry.example:5000', true],
  ['localhost:5000/app:1', 'localhost:5000/app:1', 'localhost:5000', false],
  [`registry.example/app@${DIGEST}`, `registry.example/app@${DIGEST}`, 'registry.example', true],
  ['docker.io/library/nginx', 'docker.io/library/nginx:latest', 'docker.io', true],
  ['index.docker.io/team/app:1', 'docker.io/team/app:1', 'docker.io', true],
  ['127.0.0.1:7701/app:1', '127.0.0.1:7701/app:1', '127.0.0.1:7701', false],
])("%s gets docker's credentials and no others", async (image, reference, host, secure) => {
  const credentials = { username: 'me', password: host }
  const { ports: given, pulls, asked } = ports({ image: {}, docker: { [host]: credentials } })
  await pull(given, image)
  expect(pulls).toEqual([{ reference, auth: { ...credentials, registry: host }, secure }])
  expect(asked).toEqual([])
})

test('an identity token goes as it is', async () => {
  const { ports: given, pulls } = ports({ docker: { 'registry.example': { identityToken: 'token' } } })
  await pull(given, 'registry.example/app:1')
  expect(pulls[0]!.auth).toEqual({ identityToken: 'token', registry: 'registry.example' })
})

test.each<[image: string, given: Given, code: string, hub: string]>([
  ['nginx', {}, 'NAME_INVALID', 'docker.io/library/nginx:latest'],
  ['nginx:latest', { image: {} }, 'NAME_INVALID', 'docker.io/library/nginx:latest'],
  ['team/app:1', {}, 'IMAGE_NOT_FOUND', 'docker.io/team/app:1'],
  ['team/app:1', { loggedOut: true }, 'AUTH_REQUIRED', 'docker.io/team/app:1'],
])('%s is not looked for on Docker Hub, but told how: %j', async (image, given, code, hub) => {
  const { ports: made, pulls } = ports(given)
  await expect(pull(made, image)).rejects.toMatchObject({
    code,
    hint: expect.stringContaining(`from Docker Hub: imgctl image pull ${hub}`),
  })
  expect(pulls).toEqual([])
})

test('an image that the server has not got yet is a conflict', async () => {
  const { ports: given, pulls } = ports({ image: { digest: null, state: 'pending' } })
  await expect(pull(given, 'app:1.0')).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(pulls).toEqual([])
})

test('of the digests that Podman knows, the one that the registry has under the tag', async () => {
  const other: Digest = `sha256:${'e'.repeat(64)}`
  const credentials = { username: 'me', password: 'secret' }
  const given = { docker: { 'r.example': credentials }, digests: [other, DIGEST], tagged: DIGEST }
  const { ports: made, opened } = ports(given)
  expect(await pull(made, 'r.example/team/app:1')).toMatchObject({
    digest: DIGEST,
    pinned: `r.example/team/app@${DIGEST}`,
  })
  expect(opened).toMatchObject([{ host: 'r.example', secure: true, repository: 'team/app', credentials }])
  const moved = ports({ ...given, tagged: `sha256:${'f'.repeat(64)}` })
  await expect(pull(moved.ports, 'r.example/team/app:1')).rejects.toMatchObject({
    code: 'CONFLICT',
    retryable: true,
  })
})

test.each(['IMAGE_NOT_FOUND', 'AUTH_REQUIRED', 'ENGINE_ERROR', 'DISK_FULL'] as const)(
  'an engine that reaches the registry and says %s is believed',
  async (code) => {
    const { ports: given, opened } = ports({ failure: new ImgctlError(code, 'refused') })
    await expect(pull(given, 'r.example/app:1')).rejects.toMatchObject({ code })
    expect(opened).toEqual([])
  },
)

test('what has no tag is not got in another way: the engine would not know it by its digest', async () => {
  const { ports: given, opened } = ports({ failure: new ImgctlError('REGISTRY_UNREACHABLE', 'no route') })
  await expect(pull(given, `r.example/app@${DIGEST}`)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  expect(opened).toEqual([])
})
