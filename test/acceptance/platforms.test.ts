import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { callEngine } from '../services/engine.ts'
import { type PublishedIndex, publishIndex } from '../services/index-image.ts'
import { describeWith, ownRegistry, service } from '../services/use.ts'
import { imgctl, jsonError, serve, type TestServer } from './program.ts'

/** The containerd store keeps an index with as many of its platforms as were pulled. */
describeWith(['dockerContainerd'], 'an image for several platforms on a containerd store', () => {
  const registry = ownRegistry()
  let server: TestServer
  let folder: string
  /** Only arm64 was pulled; both were; both of three. */
  let arm: PublishedIndex
  let both: PublishedIndex
  let part: PublishedIndex
  beforeAll(async () => {
    server = await serve()
    folder = await mkdtemp(join(tmpdir(), 'imgctl-platforms-'))
    const { url } = registry()
    arm = await publishIndex(url, 'arm', '1', ['amd64', 'arm64'])
    both = await publishIndex(url, 'both', '1', ['arm64', 'amd64'])
    part = await publishIndex(url, 'part', '1', ['amd64', 'arm64', 's390x'])
    await pull('arm', 'arm64')
    for (const architecture of ['amd64', 'arm64']) {
      await pull('both', architecture)
      await pull('part', architecture)
    }
  })
  afterAll(async () => {
    await server.stop()
    for (const name of ['arm', 'both', 'part']) await call('DELETE', `/images/${image(name)}?force=true`)
    await rm(folder, { recursive: true, force: true })
  })

  const image = (name: string) => `${registry().host}/${name}:1`
  const call = (method: string, path: string) =>
    callEngine(service('dockerContainerd').socketPath, path, { method })
  const pull = async (name: string, architecture: string) => {
    const query = new URLSearchParams({
      fromImage: `${registry().host}/${name}`,
      tag: '1',
      platform: `linux/${architecture}`,
    })
    const { body } = await call('POST', `/images/create?${query}`)
    expect(body.toString()).not.toContain('"error"')
  }
  const run = (...args: string[]) => {
    return imgctl(['image', ...args], {
      env: { ...server.env, DOCKER_HOST: service('dockerContainerd').dockerHost },
    })
  }
  const digestOf = ({ images }: PublishedIndex, architecture: string) =>
    images.find((one) => one.architecture === architecture)!.digest
  const platformsIn = async (path: string) => {
    const archive = await openArchive(path)
    const found = archive.images.map(({ platform }) => platform.architecture)
    await archive.close()
    return [...new Set(found)].sort()
  }

  test.each(['engine', 'direct'])('push takes the one that the server runs, via %s', async (via) => {
    const pushed = await run('push', image('both'), '--name', `both:${via}`, '--via', via)
    expect(pushed, pushed.stderr).toMatchObject({ code: 0 })
    expect(pushed.stdout).toContain(digestOf(both, 'amd64'))
    const record = await run('inspect', '--remote', `both:${via}`, '--format', '{{.Platform}} {{.Digest}}')
    expect(record.stdout).toBe(`linux/amd64 ${digestOf(both, 'amd64')}\n`)
  })

  test('a push of what is there already sends nothing', async () => {
    const again = await run('push', image('both'), '--name', 'both:engine', '--progress', 'json')
    expect(again.code).toBe(0)
    expect(again.stderr).not.toContain('"phase":"push"')
    expect(again.stderr).not.toContain('"phase":"export"')
  })

  test('push of one whose right platform was not pulled names the command that fetches it, and it works', async () => {
    const refused = await run('push', image('arm'), '--name', 'arm:1.0', '--format', 'json')
    expect(refused.code).toBe(5)
    expect(jsonError(refused)).toMatchObject({
      code: 'ARCH_MISMATCH',
      message: expect.stringContaining('it is linux/arm64 here, the server runs linux/amd64'),
      hint: `docker pull --platform linux/amd64 ${image('arm')}`,
    })
    const chosen = await run(
      'push',
      image('both'),
      '--name',
      'both:arm',
      '--platform',
      'linux/arm64',
      '--format',
      'json',
    )
    expect(jsonError(chosen)).toMatchObject({ code: 'ARCH_MISMATCH' })

    const [, , , platform] = jsonError(refused).hint!.split(' ')
    await publishIndex(registry().url, 'fetched', '1', ['amd64', 'arm64'])
    await pull('fetched', 'arm64')
    await pull('fetched', platform!.split('/')[1]!)
    const pushed = await run('push', image('fetched'), '--name', 'fetched:1.0')
    expect(pushed, pushed.stderr).toMatchObject({ code: 0 })
    await call('DELETE', `/images/${image('fetched')}?force=true`)
  })

  test('push --to keeps a whole index, takes what is there of another, and says so', async () => {
    const whole = await publishIndex(registry().url, 'whole', '1', ['amd64', 'arm64'], { attested: false })
    for (const architecture of ['amd64', 'arm64']) await pull('whole', architecture)
    const target = (name: string) => `${registry().host}/to/${name}:1`
    const all = await run('push', image('whole'), '--to', target('whole'))
    expect(all, all.stderr).toMatchObject({ code: 0 })
    expect(all.stdout).toContain(whole.digest)
    expect(all.stderr).not.toContain('was not pulled')
    const one = await run('push', image('part'), '--to', target('part'))
    expect(one, one.stderr).toMatchObject({ code: 0 })
    expect(one.stdout).toContain(digestOf(part, 'amd64'))
    expect(one.stderr).toContain('linux/s390x was not pulled')
    const other = await run('push', image('arm'), '--to', target('arm'))
    expect(other, other.stderr).toMatchObject({ code: 0 })
    expect(other.stdout).toContain(digestOf(arm, 'arm64'))
    for (const via of ['engine', 'direct']) {
      const args = ['--to', target(`chosen-${via}`), '--platform', 'linux/arm64', '--via', via]
      const chosen = await run('push', image('part'), ...args)
      expect(chosen, chosen.stderr).toMatchObject({ code: 0 })
      expect(chosen.stdout).toContain(digestOf(part, 'arm64'))
      expect(chosen.stderr).not.toContain('was not pulled')
    }
    const absent = await run(
      'push',
      image('part'),
      '--to',
      target('part'),
      '--platform',
      'linux/s390x',
      '--format',
      'json',
    )
    expect(absent.code).toBe(5)
    expect(jsonError(absent)).toMatchObject({
      code: 'ARCH_MISMATCH',
      message: `${image('part')} is linux/amd64 and linux/arm64 here, not linux/s390x`,
      hint: `pull it for that platform first: docker pull --platform linux/s390x ${image('part')}`,
    })
    await call('DELETE', `/images/${image('whole')}?force=true`)
  })

  test('save takes the platform that is there', async () => {
    const file = join(folder, 'arm.tar')
    expect(await run('save', image('arm'), '-o', file)).toMatchObject({ code: 0 })
    expect(await platformsIn(file)).toEqual(['arm64'])
    const chosen = join(folder, 'chosen.tar')
    expect(await run('save', image('both'), '-o', chosen, '--platform', 'linux/arm64')).toMatchObject({
      code: 0,
    })
    expect(await platformsIn(chosen)).toEqual(['arm64'])
    const all = join(folder, 'all.tar')
    expect(await run('save', image('both'), '-o', all)).toMatchObject({ code: 0 })
    expect(await platformsIn(all)).toEqual(['amd64', 'arm64'])
  })

  test('save of a platform that is not there leaves no file', async () => {
    const file = join(folder, 'none.tar')
    const absent = await run(
      'save',
      image('arm'),
      '-o',
      file,
      '--platform',
      'linux/amd64',
      '--progress',
      'json',
    )
    expect(absent.code).toBe(5)
    expect(jsonError(absent)).toMatchObject({
      code: 'ARCH_MISMATCH',
      message: `${image('arm')} is linux/arm64 here, not linux/amd64`,
      hint: `pull it for that platform first: docker pull --platform linux/amd64 ${image('arm')}`,
    })
    const apart = await run('save', image('arm'), image('part'), '-o', file, '--progress', 'json')
    expect(apart.code).toBe(5)
    expect(jsonError(apart)).toMatchObject({
      code: 'ARCH_MISMATCH',
      hint: expect.stringContaining('one by one'),
    })
    expect(await readdir(folder)).not.toContain('none.tar')
  })

  test('history and inspect show the platform that is asked for', async () => {
    for (const architecture of ['amd64', 'arm64']) {
      const platform = ['--platform', `linux/${architecture}`]
      const steps = await run('history', image('both'), ...platform, '--format', 'json')
      expect(JSON.parse(steps.stdout)).toMatchObject([
        {
          createdBy: `COPY app for ${architecture}`,
          layer: both.images.find((one) => one.architecture === architecture)!.diffID,
        },
      ])
      const inspected = await run('inspect', image('both'), ...platform, '--format', '{{.Architecture}}')
      expect(inspected.stdout).toBe(`${architecture}\n`)
    }
    // The only one that is here is the one that is meant.
    const only = await run('history', image('arm'), '--format', 'json')
    expect(JSON.parse(only.stdout)).toMatchObject([{ createdBy: 'COPY app for arm64' }])
    for (const command of ['history', 'inspect']) {
      const absent = await run(command, image('arm'), '--platform', 'linux/amd64', '--format', 'json')
      expect(absent.code, command).toBe(5)
      expect(jsonError(absent)).toMatchObject({ code: 'ARCH_MISMATCH' })
    }
  })

  test('a digest names it as its tag does, for every command', async () => {
    const pinned = `${registry().host}/both@${both.digest}`
    const pushed = await run('push', pinned, '--name', 'both:pinned')
    expect(pushed, pushed.stderr).toMatchObject({ code: 0 })
    expect(pushed.stdout).toContain(digestOf(both, 'amd64'))
    const file = join(folder, 'pinned.tar')
    expect(await run('save', pinned, '-o', file)).toMatchObject({ code: 0 })
    expect(await platformsIn(file)).toEqual(['amd64', 'arm64'])
    const [byDigest, byTag] = [pinned, image('both')].map((name) => run('history', name, '--format', 'json'))
    expect(JSON.parse((await byDigest!).stdout)[0].createdBy).toBe(
      JSON.parse((await byTag!).stdout)[0].createdBy,
    )
    // A short id has no name in it: the image's own is taken.
    const byId = await run('push', both.digest.slice('sha256:'.length, 19), '--via', 'direct')
    expect(byId, byId.stderr).toMatchObject({ code: 0 })
    expect(byId.stderr).toContain('Successfully pushed both:1')
  })
})
