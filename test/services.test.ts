import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { bridgesOf } from './services/bridge.ts'
import { buildImage } from './services/build-image.ts'
import { callEngine } from './services/engine.ts'
import {
  type EngineName,
  fixtureImages,
  IMAGES,
  indexImages,
  ociLayout,
  savedArchive,
} from './services/fixtures.ts'
import type { ServicesDescription } from './services/index.ts'
import { largeImageArchive } from './services/large-archive.ts'
import { killRuns, leftovers, processesOf, startRun } from './services/other-run.ts'
import { REGISTRY_USER } from './services/registry.ts'
import { cgroupsOf } from './services/run-folder.ts'
import { crane, docker, hostSkopeo, oras, skopeo, succeeded } from './services/tools.ts'
import { describeWith, ownRegistry, service, services } from './services/use.ts'

const ENGINES: [EngineName, object][] = [
  ['dockerClassic', { storageDriver: 'overlay2', containerdStore: false }],
  ['dockerContainerd', { storageDriver: 'overlayfs', containerdStore: true }],
  ['podman', { storageDriver: 'overlay', containerdStore: false }],
]

for (const [name, expected] of ENGINES) {
  describeWith([name, 'tools'], `engine ${name}`, () => {
    test('answers and says which store it has', async () => {
      const engine = service(name)
      expect((await callEngine(engine.socketPath, '/_ping')).body.toString()).toBe('OK')
      expect(engine).toMatchObject(expected)
    })

    test('holds the fixture images with their platforms', async () => {
      const images = await fixtureImages(name)
      const { socketPath } = service(name)
      for (const [image, reference] of Object.entries(images)) {
        const { body } = await callEngine(socketPath, `/images/${reference}/json`)
        const architecture = image === 'helloArm64' ? 'arm64' : 'amd64'
        expect(JSON.parse(body.toString())).toMatchObject({ Architecture: architecture, Os: 'linux' })
      }
    })

    test('saves an archive', async () => {
      const archive = await savedArchive(name, 'twoLayers')
      const listed = await succeeded(skopeo(['inspect', '--raw', `docker-archive:${archive}`]))
      expect(JSON.parse(listed.stdout).layers).toHaveLength(2)
    })
  })

  if (name === 'podman') continue
  describeWith([name, 'registry', 'tools'], `pushing from ${name}`, () => {
    const registry = ownRegistry()

    test('the docker client pushes and crane reads the digest', async () => {
      const images = await fixtureImages(name)
      const target = `${registry().host}/${name.toLowerCase()}/hello:1.0`
      const client = { host: service(name).dockerHost }
      await succeeded(docker(['tag', images.hello, target], client))
      const pushed = await succeeded(docker(['push', target], client))
      const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed.stdout)?.[1]
      const read = await succeeded(crane(['digest', '--insecure', target]))
      expect(read.stdout.trim()).toBe(digest)
    })
  })
}

describeWith(['podman', 'registry', 'tools'], 'pushing from podman', () => {
  const registry = ownRegistry()

  test('pushes to plain HTTP when told to', async () => {
    const images = await fixtureImages('podman')
    const { socketPath } = service('podman')
    const repository = `${registry().host}/podman/hello`
    const tagging = `/images/${images.hello}/tag?repo=${repository}&tag=1.0`
    expect((await callEngine(socketPath, tagging, { method: 'POST' })).status).toBe(201)
    const pushing = `/images/${repository}:1.0/push?tlsVerify=false`
    const pushed = await callEngine(socketPath, pushing, { method: 'POST' })
    expect(pushed.body.toString()).not.toContain('"error"')
    const read = await succeeded(crane(['digest', '--insecure', `${repository}:1.0`]))
    expect(pushed.body.toString()).toContain(read.stdout.trim())
  })
})

describeWith(['registry', 'privateRegistry'], 'the shared registries', () => {
  test('answer the version check', async () => {
    expect((await fetch(`${service('registry').url}/v2/`)).status).toBe(200)
    const { url, username, password } = service('privateRegistry')
    expect((await fetch(`${url}/v2/`)).status).toBe(401)
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    expect((await fetch(`${url}/v2/`, { headers: { authorization } })).status).toBe(200)
  })
})

describeWith(['dockerClassic', 'tools', 'hostSkopeo', 'registry'], 'client tools', () => {
  const registry = ownRegistry()
  const closedRegistry = ownRegistry({ auth: true })

  test('skopeo of both ages copies an OCI layout', async () => {
    const layout = await ociLayout('hello')
    const { host } = registry()
    const target = `docker://${host}/tools/hello`
    const copy = ['--insecure-policy', 'copy', '--dest-tls-verify=false', `oci:${layout}:1.0`]
    await succeeded(skopeo([...copy, `${target}:new`]))
    await succeeded(hostSkopeo([...copy, `${target}:old`]))
    const tags = await succeeded(oras(['repo', 'tags', '--plain-http', `${host}/tools/hello`]))
    expect(tags.stdout.trim().split('\n').sort()).toEqual(['new', 'old'])
  })

  test('the private registry lets only its user in', async () => {
    const layout = await ociLayout('hello')
    const { host } = closedRegistry()
    const { username, password } = REGISTRY_USER
    const copy = ['--insecure-policy', 'copy', '--dest-tls-verify=false']
    const ends = [`oci:${layout}:1.0`, `docker://${host}/team/hello:1.0`]
    const refused = await skopeo([...copy, ...ends])
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/authentication required|unauthorized/)
    await succeeded(skopeo([...copy, '--dest-creds', `${username}:${password}`, ...ends]))
  })
})

describeWith(['dockerClassic', 'dockerContainerd', 'registry', 'tools'], 'images', () => {
  const registry = ownRegistry()

  test('hello runs', async () => {
    await fixtureImages('dockerClassic')
    const result = await docker(['run', '--rm', IMAGES.hello], { host: service('dockerClassic').dockerHost })
    expect(result).toMatchObject({ code: 0, stdout: 'hello from imgctl-test\n' })
  })

  test('a RUN step has a network with every builder', async () => {
    for (const name of ['dockerClassic', 'dockerContainerd'] as const) {
      await buildImage(service(name).socketPath, {
        reference: 'imgctl-test/run:1.0',
        dockerfile: 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "mkdir", "/made"]\n',
        files: { busybox: { from: '/bin/busybox' } },
      })
    }
  })

  test('buildx makes an index with attestations', async () => {
    const images = await indexImages()
    const { host } = registry()
    const client = { host: service('dockerContainerd').dockerHost }
    const target = `${host}/index/multi-platform:1.0`
    await succeeded(docker(['tag', images.multiPlatform, target], client))
    await succeeded(docker(['push', target], client))
    const { stdout } = await succeeded(crane(['manifest', '--insecure', target]))
    const { manifests } = JSON.parse(stdout) as { manifests: { platform: { architecture: string } }[] }
    const architectures = manifests.map((manifest) => manifest.platform.architecture)
    expect(architectures.sort()).toEqual(['amd64', 'arm64', 'unknown', 'unknown'])
  })

  test('an engine loads the large archive that was written without one', async () => {
    const path = join(services().runFolder, `large-${process.pid}.tar`)
    const image = await largeImageArchive(path, 3_000_001, { layers: 2 })
    const client = { host: service('dockerClassic').dockerHost }
    await succeeded(docker(['load', '--input', path], client))
    const format = '{{.Id}} {{json .RootFS.Layers}}'
    const { stdout } = await succeeded(docker(['inspect', '--format', format, image.reference], client))
    expect(stdout.trim()).toBe(`${image.imageId} ${JSON.stringify(image.diffIds)}`)
    await rm(path)
  })
})

describe('runs', () => {
  afterEach(killRuns)

  describeWith(['dockerClassic', 'dockerContainerd', 'podman', 'registry'], 'of all services', () => {
    const all = ['dockerClassic', 'dockerContainerd', 'podman', 'registry'] as const

    async function startContainer(run: ServicesDescription) {
      const engine = run.dockerClassic
      if (!engine.available) throw new Error(engine.reason)
      const dockerfile = 'FROM scratch\nCOPY busybox /busybox\nCMD ["/busybox", "sleep", "600"]\n'
      const files = { busybox: { from: '/bin/busybox' } }
      await buildImage(engine.socketPath, { reference: 'sleeper:1', dockerfile, files })
      await succeeded(docker(['run', '--detach', 'sleeper:1'], { host: engine.dockerHost }))
    }

    test('two at once do not meet; a killed one is swept by the next; a stopped one leaves nothing', async () => {
      const [killed, stopped] = await Promise.all([startRun(all), startRun(all)])
      for (const name of all) {
        expect(killed.description[name]).toMatchObject({ available: true })
        expect(stopped.description[name]).toMatchObject({ available: true })
      }
      await Promise.all([startContainer(killed.description), startContainer(stopped.description)])
      const folder = stopped.description.runFolder
      expect(cgroupsOf(folder).length * bridgesOf(folder).length).toBeGreaterThan(0)

      await killed.kill()
      await expect.poll(() => processesOf(killed.description.runFolder)).toEqual([])
      const next = await startRun(all)
      expect(leftovers(killed.description.runFolder)).toEqual([])
      for (const name of all) expect(next.description[name]).toMatchObject({ available: true })

      await Promise.all([stopped.stop(), next.stop()])
      expect(leftovers(folder)).toEqual([])
      expect(leftovers(next.description.runFolder)).toEqual([])
    })
  })
})
