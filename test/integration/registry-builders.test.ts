import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../services/command.ts'
import { fixtureImages, IMAGES } from '../services/fixtures.ts'
import { crane, docker, hostSkopeo, succeeded } from '../services/tools.ts'
import { describeWith, service } from '../services/use.ts'
import { type ClientServer, startClientServer } from './client-server.ts'

let server: ClientServer
beforeAll(async () => {
  server = await startClientServer()
})
afterAll(() => server.close())

interface RegistryIndex {
  readonly mediaType: string
  readonly manifests: { readonly digest: string; readonly annotations?: Record<string, string> }[]
}

async function registry<T>(path: string, status = 200): Promise<T> {
  const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json'
  const headers = { authorization: `Bearer ${server.key}`, accept }
  const answer = await fetch(`http://${server.host}/v2/default/${path}`, { headers })
  expect([path, answer.status]).toEqual([path, status])
  return (await answer.json()) as T
}

/** A folder with a docker config that knows the server. */
async function dockerConfig(name: string): Promise<string> {
  const folder = join(server.folder, name)
  await mkdir(folder)
  const auth = Buffer.from(`anyone:${server.key}`).toString('base64')
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [server.host]: { auth } } }))
  return folder
}

/** `FROM scratch` with busybox, as a folder. */
async function buildContext(name: string): Promise<string> {
  const folder = join(server.folder, name)
  await mkdir(folder)
  await copyFile('/bin/busybox', join(folder, 'busybox'))
  await writeFile(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY busybox /bin/sh\nENTRYPOINT ["/bin/sh"]\n')
  return folder
}

describeWith(['dockerClassic', 'hostDocker'], 'the docker client 20.10', () => {
  test('logs in, pushes, pulls by tag and digest; the push is an image', async () => {
    await fixtureImages('dockerClassic')
    const { program } = service('hostDocker')
    const config = join(server.folder, 'docker20')
    await mkdir(config)
    const env = { DOCKER_HOST: service('dockerClassic').dockerHost, DOCKER_CONFIG: config }
    const old = async (args: string[], input?: string) =>
      (await succeeded(run(program, args, { env, ...(input === undefined ? {} : { input }) }))).stdout
    expect(await old(['version', '--format', '{{.Client.Version}}'])).toContain('20.10')
    await old(['login', '--username', 'anyone', '--password-stdin', server.host], server.key)
    const target = `${server.host}/default/docker20:1.0`
    await old(['tag', IMAGES.twoLayers, target])
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(await old(['push', target]))?.[1]
    expect((await server.activeImage('docker20:1.0')).digest).toBe(digest)
    await old(['rmi', target])
    await old(['pull', target])
    await old(['pull', `${server.host}/default/docker20@${digest}`])
    await old(['manifest', 'inspect', '--insecure', target])
    await old(['rmi', target])
  })
})

describeWith(['podman'], 'podman', () => {
  test('pushes in both formats, lists tags, pulls back, and is told no without a login', async () => {
    await fixtureImages('podman')
    const { socketPath } = service('podman')
    const podman = (...args: string[]) =>
      run('podman', ['--remote', '--url', `unix://${socketPath}`, ...args], { env: { HOME: server.folder } })
    const access = ['--tls-verify=false', '--creds', `anyone:${server.key}`]
    const name = `${server.host}/default/podman/app`
    for (const format of ['oci', 'docker']) {
      const push = ['push', ...access, '--format', format === 'docker' ? 'v2s2' : 'oci']
      await succeeded(podman(...push, IMAGES.twoLayers, `${name}:${format}`))
      await server.activeImage(`podman/app:${format}`)
    }
    expect(await registry('podman/app/tags/list')).toMatchObject({ tags: ['docker', 'oci'] })
    await succeeded(podman('pull', ...access, `${name}:oci`))
    await succeeded(podman('rmi', `${name}:oci`))
    const refused = await podman('pull', '--tls-verify=false', `${name}:docker`)
    expect(refused.code).not.toBe(0)
  })
})

describeWith(['buildah'], 'buildah', () => {
  test('builds, pushes, makes an index of two, pulls it back, and deletes nothing of others', async () => {
    const { program } = service('buildah')
    const store = join(server.folder, 'buildah')
    const storage = [
      '--root',
      join(store, 'root'),
      '--runroot',
      join(store, 'run'),
      '--storage-driver',
      'vfs',
    ]
    const buildah = async (...args: string[]) =>
      (await succeeded(run(program, [...storage, ...args], { env: { HOME: server.folder } }))).stdout.trim()
    const access = ['--tls-verify=false', '--creds', `anyone:${server.key}`]
    const name = `${server.host}/default/buildah`
    for (const arch of ['amd64', 'arm64']) {
      const container = await buildah('from', 'scratch')
      await buildah('copy', container, '/bin/busybox', '/bin/sh')
      await buildah('config', '--entrypoint', '["/bin/sh"]', '--arch', arch, '--os', 'linux', container)
      await buildah('commit', container, `local/${arch}:1.0`)
      await buildah('push', ...access, `local/${arch}:1.0`, `docker://${name}/${arch}:1.0`)
    }
    await server.activeImage('buildah/amd64:1.0')
    await expect
      .poll(async () => (await server.api<{ state: string }>('/images/buildah/arm64:1.0')).state)
      .toBe('error')
    await buildah('manifest', 'create', 'local/both:1.0', 'local/amd64:1.0', 'local/arm64:1.0')
    await buildah('manifest', 'push', ...access, '--all', 'local/both:1.0', `docker://${name}/both:1.0`)
    const image = await server.activeImage('buildah/both:1.0')
    expect(image.platform).toBe('linux/amd64')
    expect((await registry<RegistryIndex>('buildah/both/manifests/1.0')).manifests).toHaveLength(2)
    await buildah('rmi', '--all', '--force')
    await buildah('pull', ...access, `docker://${name}/both:1.0`)
  })
})

describeWith(['umoci', 'hostSkopeo'], 'umoci', () => {
  test('an image that umoci made comes back to be unpacked', async () => {
    const { program } = service('umoci')
    const layout = join(server.folder, 'umoci')
    const umoci = (...args: string[]) => succeeded(run(program, args, { cwd: server.folder }))
    await umoci('init', '--layout', layout)
    await umoci('new', '--image', `${layout}:1.0`)
    await umoci('insert', '--image', `${layout}:1.0`, '/bin/busybox', '/bin/sh')
    await umoci('config', '--image', `${layout}:1.0`, '--config.entrypoint', '/bin/sh')
    const target = `docker://${server.host}/default/umoci:1.0`
    const credentials = `anyone:${server.key}`
    const insecure = ['--insecure-policy', 'copy']
    const push = [...insecure, '--dest-tls-verify=false', '--dest-creds', credentials]
    await succeeded(hostSkopeo([...push, `oci:${layout}:1.0`, target]))
    await server.activeImage('umoci:1.0')
    const back = join(server.folder, 'umoci-back')
    const pull = [...insecure, '--src-tls-verify=false', '--src-creds', credentials]
    await succeeded(hostSkopeo([...pull, target, `oci:${back}:1.0`]))
    await umoci('unpack', '--image', `${back}:1.0`, join(server.folder, 'bundle'))
    const bundle = join(server.folder, 'bundle', 'rootfs', 'bin')
    expect(await readdir(bundle)).toEqual(['sh'])
    expect((await readFile(join(bundle, 'sh'))).equals(await readFile('/bin/busybox'))).toBe(true)
  })
})

describeWith(['dockerContainerd', 'tools'], 'buildx', () => {
  test('pushes an index with attestations, exports a cache and imports it, copies and lists', async () => {
    const { dockerHost } = service('dockerContainerd')
    const client = { host: dockerHost, config: await dockerConfig('buildx'), folders: [server.folder] }
    const context = await buildContext('buildx-context')
    const name = `${server.host}/default/buildx`
    const build = (...flags: string[]) =>
      succeeded(docker(['buildx', 'build', '--progress=plain', ...flags, context], client))
    await build(
      ...[
        '--push',
        '--tag',
        `${name}/app:1.0`,
        '--provenance=mode=max',
        '--platform',
        'linux/amd64,linux/arm64',
      ],
      ...[
        '--cache-to',
        `type=registry,ref=${name}/cache:build,mode=max,image-manifest=true,oci-mediatypes=true`,
      ],
    )
    expect((await server.activeImage('buildx/app:1.0')).platform).toBe('linux/amd64')
    const index = await registry<RegistryIndex>('buildx/app/manifests/1.0')
    const attestations = index.manifests.filter(
      ({ annotations }) => annotations?.['vnd.docker.reference.type'],
    )
    expect([index.manifests.length, attestations.length]).toEqual([4, 2])

    // A cache is a tag of the registry; there is nothing in it to run.
    await succeeded(docker(['buildx', 'prune', '--all', '--force'], client))
    const cached = await build(
      '--cache-from',
      `type=registry,ref=${name}/cache:build`,
      '--platform',
      'linux/amd64',
    )
    expect(cached.stderr + cached.stdout).toMatch(/importing cache manifest from/)
    expect(cached.stderr + cached.stdout).toMatch(/CACHED/)

    // The older form: an index of blobs.
    await build('--cache-to', `type=registry,ref=${name}/cache:index,mode=max,image-manifest=false`)
    expect((await registry<RegistryIndex>('buildx/cache/manifests/index')).manifests.length).toBeGreaterThan(
      0,
    )

    const tools = (...args: string[]) => succeeded(docker(['buildx', 'imagetools', ...args], client))
    await tools('create', '--tag', `${name}/copy:2.0`, `${name}/app:1.0`)
    await server.activeImage('buildx/copy:2.0')
    expect((await tools('inspect', `${name}/copy:2.0`)).stdout).toContain('linux/arm64')
    const env = { DOCKER_CONFIG: await dockerConfig('buildx-crane') }
    const tags = await succeeded(crane(['ls', '--insecure', `${name}/cache`], { env }))
    expect(tags.stdout.trim().split('\n').sort()).toEqual(['build', 'index'])
    expect(await server.imageNames('buildx/cache*')).toEqual([])
    await succeeded(crane(['delete', '--insecure', `${name}/copy:2.0`], { env }))
    expect(await server.imageNames('buildx/*')).not.toContain('buildx/copy:2.0')
  })
})
