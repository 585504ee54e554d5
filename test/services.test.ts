import { expect, test } from 'vitest'
import { callEngine } from './services/engine.ts'
import { type EngineName, fixtureImages, IMAGES, ociLayout, savedArchive } from './services/fixtures.ts'
import { crane, docker, hostSkopeo, oras, skopeo, succeeded } from './services/tools.ts'
import { describeWith, service } from './services/use.ts'

const ENGINES: [EngineName, object][] = [
  ['dockerClassic', { storageDriver: 'overlay2', containerdStore: false }],
  ['dockerContainerd', { storageDriver: 'overlayfs', containerdStore: true }],
  ['podman', { storageDriver: 'overlay', containerdStore: false }],
]

for (const [name, expected] of ENGINES) {
  describeWith([name], `engine ${name}`, () => {
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
    test('the docker client pushes and crane reads the digest', async () => {
      const images = await fixtureImages(name)
      const target = `${service('registry').host}/${name.toLowerCase()}/hello:1.0`
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
  test('pushes to plain HTTP when told to', async () => {
    const images = await fixtureImages('podman')
    const { socketPath } = service('podman')
    const repository = `${service('registry').host}/podman/hello`
    const tagging = `/images/${images.hello}/tag?repo=${repository}&tag=1.0`
    expect((await callEngine(socketPath, tagging, { method: 'POST' })).status).toBe(201)
    const pushing = `/images/${repository}:1.0/push?tlsVerify=false`
    const pushed = await callEngine(socketPath, pushing, { method: 'POST' })
    expect(pushed.body.toString()).not.toContain('"error"')
    const read = await succeeded(crane(['digest', '--insecure', `${repository}:1.0`]))
    expect(pushed.body.toString()).toContain(read.stdout.trim())
  })
})

describeWith(['dockerClassic', 'tools', 'hostSkopeo', 'registry', 'privateRegistry'], 'client tools', () => {
  test('skopeo of both ages copies an OCI layout', async () => {
    const layout = await ociLayout('hello')
    const { host } = service('registry')
    const target = `docker://${host}/tools/hello`
    const copy = ['--insecure-policy', 'copy', '--dest-tls-verify=false', `oci:${layout}:1.0`]
    await succeeded(skopeo([...copy, `${target}:new`]))
    await succeeded(hostSkopeo([...copy, `${target}:old`]))
    const tags = await succeeded(oras(['repo', 'tags', '--plain-http', `${host}/tools/hello`]))
    expect(tags.stdout.trim().split('\n').sort()).toEqual(['new', 'old'])
  })

  test('the private registry lets only its user in', async () => {
    const layout = await ociLayout('hello')
    const { host, username, password } = service('privateRegistry')
    const copy = ['--insecure-policy', 'copy', '--dest-tls-verify=false']
    const ends = [`oci:${layout}:1.0`, `docker://${host}/team/hello:1.0`]
    const refused = await skopeo([...copy, ...ends])
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/authentication required|unauthorized/)
    await succeeded(skopeo([...copy, '--dest-creds', `${username}:${password}`, ...ends]))
  })
})

describeWith(['dockerClassic'], 'a container', () => {
  test('runs the hello image', async () => {
    await fixtureImages('dockerClassic')
    const result = await docker(['run', '--rm', IMAGES.hello], { host: service('dockerClassic').dockerHost })
    expect(result).toMatchObject({ code: 0, stdout: 'hello from imgctl-test\n' })
  })
})
