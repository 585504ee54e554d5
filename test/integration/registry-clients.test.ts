import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Image, ImagePage } from '../../src/contract/image.ts'
import { fixtureImages, IMAGES, indexImages, ociLayout } from '../services/fixtures.ts'
import { crane, docker, hostSkopeo, oras, skopeo, succeeded } from '../services/tools.ts'
import { describeWith, service } from '../services/use.ts'
import { type ClientServer, startClientServer } from './client-server.ts'

let folder: string
/** `127.0.0.1:PORT` */
let host: string
let key: string
let server: ClientServer
const api: ClientServer['api'] = (path, init) => server.api(path, init)
const activeImage = (name: string) => server.activeImage(name)

beforeAll(async () => {
  server = await startClientServer()
  ;({ folder, host, key } = server)
})

afterAll(() => server.close())

/** The folder of a docker client that has logged in. */
async function dockerLogin(name: string, dockerHost: string): Promise<string> {
  const config = join(folder, name)
  await mkdir(config)
  const login = ['login', '--username', 'anyone', '--password-stdin', host]
  const { stdout } = await succeeded(docker(login, { host: dockerHost, config, input: key }))
  expect(stdout).toContain('Login Succeeded')
  return config
}

for (const engine of ['dockerClassic', 'dockerContainerd'] as const) {
  describeWith([engine, 'tools'], `the docker client 28 with ${engine}`, () => {
    test('logs in, pushes, pushes again, pulls; the push is an image', async () => {
      await fixtureImages(engine)
      const { dockerHost } = service(engine)
      const config = await dockerLogin(engine, dockerHost)
      const client = { host: dockerHost, config }
      const name = `${engine.toLowerCase()}/two:1.0`
      const target = `${host}/default/${name}`
      await succeeded(docker(['tag', IMAGES.twoLayers, target], client))
      const pushed = await succeeded(docker(['push', target], client))
      const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed.stdout)?.[1]
      expect((await activeImage(name)).digest).toBe(digest)

      const again = await succeeded(docker(['push', target], client))
      expect(again.stdout).toContain('Layer already exists')
      await succeeded(docker(['rmi', target], client))
      await succeeded(docker(['pull', `${host}/default/${name.replace(':1.0', '')}@${digest}`], client))
      await succeeded(docker(['pull', target], client))
      // The same layers under another name are mounted.
      const second = `${host}/default/${engine.toLowerCase()}/copy:1.0`
      await succeeded(docker(['tag', IMAGES.twoLayers, second], client))
      const mounted = await succeeded(docker(['push', second], client))
      expect(mounted.stdout).toMatch(/Mounted from|already exists/)
      await succeeded(docker(['rmi', target, second], client))
    })

    test('is told that it may not push elsewhere, and cannot pull what is private', async () => {
      await fixtureImages(engine)
      const { dockerHost } = service(engine)
      const config = await dockerLogin(`${engine}-denied`, dockerHost)
      const target = `${host}/nobody/${engine.toLowerCase()}:1.0`
      await succeeded(docker(['tag', IMAGES.hello, target], { host: dockerHost }))
      const refused = await docker(['push', target], { host: dockerHost, config })
      expect(refused.code).not.toBe(0)
      expect(refused.stderr + refused.stdout).toMatch(/denied|may not push|unauthorized|authorization failed/)
      await succeeded(docker(['rmi', target], { host: dockerHost }))
      const anonymous = await docker(['pull', `${host}/default/none:1.0`], { host: dockerHost })
      expect(anonymous.code).not.toBe(0)
    })
  })
}

describeWith(['dockerContainerd', 'tools'], 'an index made by buildx', () => {
  test('is pushed with its attestations, and both platforms come back', async () => {
    const { multiPlatform } = await indexImages()
    const { dockerHost } = service('dockerContainerd')
    const config = await dockerLogin('buildx', dockerHost)
    const client = { host: dockerHost, config }
    const target = `${host}/default/multi:1.0`
    await succeeded(docker(['tag', multiPlatform, target], client))
    await succeeded(docker(['push', target], client))
    // The fixture starts nothing: all else about it is right.
    await expect
      .poll(async () => (await api<Image>('/images/multi:1.0')).reason?.code, { timeout: 10_000 })
      .toBe('NO_ENTRYPOINT')
    for (const platform of ['linux/amd64', 'linux/arm64']) {
      await succeeded(docker(['pull', '--platform', platform, target], client))
    }
    await succeeded(docker(['rmi', target], client))
  })
})

describeWith(['dockerClassic', 'tools', 'hostSkopeo'], 'skopeo of both ages', () => {
  test.each([
    ['new', skopeo],
    ['old', hostSkopeo],
  ])('%s: copies a layout there and back, in docker and OCI form, and deletes', async (age, program) => {
    const layout = await ociLayout('twoLayers')
    const credentials = `anyone:${key}`
    for (const format of ['oci', 'v2s2']) {
      const target = `docker://${host}/default/skopeo/${age}:${format}`
      const push = ['--insecure-policy', 'copy', '--dest-tls-verify=false', '--dest-creds', credentials]
      await succeeded(program([...push, '--format', format, `oci:${layout}:1.0`, target]))
      await activeImage(`skopeo/${age}:${format}`)
      const back = join(folder, `${age}-${format}`)
      const pull = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--src-creds', credentials]
      await succeeded(program([...pull, target, `oci:${back}:1.0`]))
      expect(JSON.parse(await readFile(join(back, 'index.json'), 'utf8')).manifests).toHaveLength(1)
    }
    const target = `docker://${host}/default/skopeo/${age}:oci`
    const copied = `docker://${host}/default/skopeo-copy/${age}:1.0`
    const both = [
      '--src-tls-verify=false',
      '--src-creds',
      credentials,
      '--dest-tls-verify=false',
      '--dest-creds',
      credentials,
    ]
    await succeeded(program(['--insecure-policy', 'copy', '--all', ...both, target, copied]))
    await activeImage(`skopeo-copy/${age}:1.0`)
    const access = ['--tls-verify=false', '--creds', credentials]
    const listed = await succeeded(
      program(['list-tags', ...access, `docker://${host}/default/skopeo/${age}`]),
    )
    expect(JSON.parse(listed.stdout).Tags).toEqual(['oci', 'v2s2'])
    const inspected = await succeeded(program(['inspect', ...access, copied]))
    expect(JSON.parse(inspected.stdout)).toMatchObject({ Architecture: 'amd64', Os: 'linux' })
    await succeeded(program(['delete', '--tls-verify=false', '--creds', credentials, target]))
    const { items } = await api<ImagePage>(`/images?name=${encodeURIComponent(`skopeo/${age}:*`)}`)
    expect(items.map(({ name }) => name)).toEqual([`skopeo/${age}:v2s2`])
  })
})

describeWith(['dockerClassic', 'tools'], 'crane and oras', () => {
  async function login(program: typeof crane, name: string): Promise<Record<string, string>> {
    const config = join(folder, name)
    await mkdir(config)
    const auth = Buffer.from(`anyone:${key}`).toString('base64')
    await writeFile(join(config, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }))
    return program === crane ? { DOCKER_CONFIG: config } : { DOCKER_CONFIG: config, HOME: config }
  }

  test('crane: push, digest, ls, copy (mount), tag, catalog, validate, delete', async () => {
    const env = await login(crane, 'crane')
    const layout = await ociLayout('hello')
    const repository = `${host}/default/crane/hello`
    const run = async (...args: string[]) =>
      (await succeeded(crane([...args, '--insecure'], { env }))).stdout.trim()
    await run('push', layout, `${repository}:1.0`)
    const digest = await run('digest', `${repository}:1.0`)
    expect((await activeImage('crane/hello:1.0')).digest).toBe(digest)
    await run('copy', `${repository}:1.0`, `${host}/default/crane/copy:1.0`)
    await run('tag', `${repository}:1.0`, '1.1')
    expect((await run('ls', repository)).split('\n').sort()).toEqual(['1.0', '1.1'])
    expect(await run('catalog', host)).toContain('default/crane/copy')
    await run('validate', '--remote', `${host}/default/crane/copy:1.0`)
    await run('delete', `${repository}@${digest}`)
    expect((await crane(['digest', '--insecure', `${repository}:1.1`], { env })).code).not.toBe(0)
  })

  test('oras: an artifact, one attached to it, discovered; resumed by digest', async () => {
    const env = await login(oras, 'oras')
    const target = `${host}/default/oras/data:1.0`
    const file = 'data.txt'
    await writeFile(join(folder, file), 'some data')
    const run = async (...args: string[]) =>
      (await succeeded(oras([...args, '--plain-http'], { env, cwd: folder }))).stdout
    await run('push', target, '--artifact-type', 'application/x.data', `${file}:text/plain`)
    await run('attach', target, '--artifact-type', 'application/x.sbom', `${file}:text/plain`)
    const discovered = await run('discover', target, '--format', 'json')
    expect(discovered).toContain('application/x.sbom')
    await mkdir(join(folder, 'pulled'))
    await run('pull', target, '--output', join(folder, 'pulled'))
    expect(await readFile(join(folder, 'pulled', file), 'utf8')).toBe('some data')
    const copy = `${host}/default/oras/copy:1.0`
    const plain = ['--from-plain-http', '--to-plain-http']
    await succeeded(oras(['copy', '--recursive', ...plain, target, copy], { env, cwd: folder }))
    expect(await run('discover', copy, '--format', 'json')).toContain('application/x.sbom')
    await run('tag', target, '1.1')
    expect((await run('repo', 'tags', `${host}/default/oras/data`)).trim().split('\n')).toEqual([
      '1.0',
      '1.1',
    ])
    expect(await run('repo', 'ls', host)).toContain('default/oras/copy')
    await run('manifest', 'delete', '--force', `${host}/default/oras/data:1.1`)
    expect((await oras(['manifest', 'fetch', '--plain-http', target], { env })).code).not.toBe(0)
    // An artifact is a tag of the registry, and no image.
    expect(await server.imageNames('oras/*')).toEqual([])
  })

  test('anyone pulls a public image without logging in, and nothing else', async () => {
    const env = await login(crane, 'owner')
    const layout = await ociLayout('hello')
    const repository = `${host}/default/shown`
    for (const tag of ['1.0', '2.0']) {
      await succeeded(crane(['push', layout, `${repository}:${tag}`, '--insecure'], { env }))
      await activeImage(`shown:${tag}`)
    }
    expect((await crane(['pull', `${repository}:1.0`, join(folder, 'no.tar'), '--insecure'])).code).not.toBe(
      0,
    )
    await api<Image>('/images/shown:1.0', { method: 'PATCH', body: JSON.stringify({ visibility: 'public' }) })
    await succeeded(crane(['pull', `${repository}:1.0`, join(folder, 'shown.tar'), '--insecure']))
    expect((await crane(['pull', `${repository}:2.0`, join(folder, 'no.tar'), '--insecure'])).code).not.toBe(
      0,
    )
    const pulled = await docker(['pull', `${repository}:1.0`], { host: service('dockerClassic').dockerHost })
    expect(pulled.stderr).toBe('')
  })
})
