import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { zstdCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { digestBytes } from '../../src/oci/digest.ts'
import { loadImages } from '../../src/operations/load/load-images.ts'
import { type SaveRequest, saveImages } from '../../src/operations/save/save-images.ts'
import { classicEntries, layerTar, tar } from '../archive/build-archive.ts'
import { callEngine } from '../services/engine.ts'
import { type EngineName, INDEX_IMAGES, indexImages, save } from '../services/fixtures.ts'
import { crane, docker, hostSkopeo, skopeo, succeeded } from '../services/tools.ts'
import { describeWith, ownRegistry, service, services } from '../services/use.ts'
import { buildSteps, ENGINES, engineOf, inspect, remove } from './engine-images.ts'

const RUN = randomUUID().slice(0, 8)
const folder = join(services().runFolder, `save-load-${process.pid}`)
const exec = promisify(execFile)
/** Each engine's own image: loading it elsewhere moves no name of another test file. */
const imageOf = (engine: EngineName) => `imgctl-save-${RUN}/${engine.toLowerCase()}:1.0`

beforeAll(() => mkdir(folder, { recursive: true }))
afterEach(async () => {
  // Nothing but what was asked for: no temporary file.
  expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([])
})

async function saved(engine: EngineName, name: string, request: Partial<SaveRequest> = {}): Promise<string> {
  const path = join(folder, name)
  const ports = {
    engine: async () => engineOf(engine),
    remote: () => Promise.reject(new Error('not remote')),
  }
  await saveImages(ports, { images: [imageOf(engine)], remote: false, ...request }, { path }, () => {})
  return path
}

const load = (engine: EngineName, source: string | Readable) =>
  loadImages(
    async () => engineOf(engine),
    { source },
    () => {},
  )

/** Loads, checks that the engine has that very content under that name, and takes the name away. */
async function expectLoaded(
  engine: EngineName,
  source: string | Readable,
  name: string,
  diffIDs: readonly string[],
) {
  const [loaded, ...more] = await load(engine, source)
  expect(more).toEqual([])
  // Podman keeps names without a registry as its own.
  expect([name, `localhost/${name}`]).toContain(loaded!.name)
  const known = await inspect(engine, loaded!.name!)
  expect(known.RootFS.Layers).toEqual(diffIDs)
  expect(loaded!.id.replace('sha256:', '')).toBe(known.Id.replace('sha256:', ''))
  await remove(engine, loaded!.name!)
  return loaded!
}

async function contentOf(path: string) {
  const archive = await openArchive(path)
  await archive.verify()
  await archive.close()
  return archive.images.map(({ configDigest, config, repoTags, manifest }) => ({
    configDigest,
    diffIDs: config.diffIDs,
    repoTags,
    manifest: manifest?.digest,
  }))
}

describeWith(['dockerClassic', 'dockerContainerd', 'podman', 'tools'], 'saving and loading', () => {
  beforeAll(async () => {
    for (const engine of ENGINES) await buildSteps(engine, imageOf(engine), `${RUN} ${engine}`)
  })
  afterAll(async () => {
    for (const engine of ENGINES) await remove(engine, imageOf(engine))
  })

  describe.each(ENGINES)('what is saved from %s', (from) => {
    test('has the bytes that docker save streams', async () => {
      const path = await saved(from, `${from}.tar`)
      await save(service(from).socketPath, [imageOf(from)], join(folder, `${from}-docker.tar`))
      expect((await readFile(path)).equals(await readFile(join(folder, `${from}-docker.tar`)))).toBe(true)
    })

    test('as a layout has the same content', async () => {
      const [docker] = await contentOf(await saved(from, `${from}.tar`))
      const [oci] = await contentOf(await saved(from, `${from}-oci.tar`, { format: 'oci' }))
      expect(oci).toMatchObject({ configDigest: docker!.configDigest, diffIDs: docker!.diffIDs })
      expect(oci!.repoTags).toEqual(docker!.repoTags)
      if (docker!.manifest) expect(oci!.manifest).toBe(docker!.manifest)
    })

    describe.each(['docker', 'oci'] as const)('as %s', (format) => {
      test('is loaded by every engine through imgctl', async () => {
        const path = await saved(from, `${from}-${format}-all.tar`, { format })
        const { RootFS } = await inspect(from, imageOf(from))
        for (const to of ENGINES) {
          if (to !== from) await expectLoaded(to, path, imageOf(from), RootFS.Layers)
        }
      })

      test('is read by skopeo, old and new', async () => {
        const path = await saved(from, `${from}-${format}-skopeo.tar`, { format })
        const { RootFS } = await inspect(from, imageOf(from))
        const source = format === 'docker' ? `docker-archive:${path}` : `oci-archive:${path}`
        const options = { folders: [folder] }
        for (const tool of [skopeo, hostSkopeo]) {
          const { stdout } = await succeeded(tool(['inspect', '--config', source], options))
          expect(JSON.parse(stdout).rootfs.diff_ids).toEqual(RootFS.Layers)
        }
      })
    })

    test('is loaded by the engines themselves', async () => {
      const path = await saved(from, `${from}-native.tar`)
      const { RootFS } = await inspect(from, imageOf(from))
      for (const to of ENGINES.filter((each) => each !== from)) {
        const { socketPath } = service(to)
        const body = await readFile(path)
        const answer = await callEngine(socketPath, '/images/load?quiet=1', { method: 'POST', body })
        expect(answer.body.toString()).toContain(imageOf(from))
        const name =
          to === 'podman' ? /Loaded image: ([^\\"]+)/.exec(answer.body.toString())![1]! : imageOf(from)
        expect((await inspect(to, name)).RootFS.Layers).toEqual(RootFS.Layers)
        await remove(to, name)
      }
    })
  })

  describe('what others write is loaded by every engine:', () => {
    const registry = ownRegistry()
    const from = imageOf('dockerClassic')
    const other = `imgctl-save-${RUN}/other:2.0`
    const options = { folders: [folder] }
    let diffIDs: readonly string[]
    beforeAll(async () => {
      diffIDs = (await inspect('dockerClassic', from)).RootFS.Layers
    })
    const copy = async (to: string, ...flags: string[]) => {
      const source = await saved('dockerClassic', 'others.tar')
      await succeeded(
        skopeo(['--insecure-policy', 'copy', ...flags, `docker-archive:${source}`, to], options),
      )
    }
    const everywhere = async (path: string, name = other) => {
      for (const engine of ENGINES) await expectLoaded(engine, path, name, diffIDs)
    }

    test.each([
      ['docker-archive', 'skopeo-docker.tar'],
      ['oci-archive', 'skopeo-oci.tar'],
      ['oci', 'skopeo-layout'],
    ])('skopeo %s', async (transport, file) => {
      await copy(`${transport}:${join(folder, file)}:${other}`)
      await everywhere(join(folder, file))
    })

    test('skopeo with zstd layers, which Docker 20.10 does not know', async () => {
      const path = join(folder, 'skopeo-zstd')
      const zstd = ['--dest-compress-format', 'zstd', '--dest-oci-accept-uncompressed-layers=false']
      await copy(`oci:${path}:${other}`, ...zstd)
      await everywhere(path)
    })

    test.each([
      ['tarball', 'crane.tar'],
      ['legacy', 'crane-legacy.tar'],
    ])('crane pull --format %s', async (format, file) => {
      const reference = `${registry().host}/team/app:1.0`
      await copy(`docker://${reference}`, '--dest-tls-verify=false', '--format', 'v2s2')
      const path = join(folder, file)
      await succeeded(crane(['pull', '--insecure', '--format', format, reference, path], options))
      await everywhere(path, reference)
    })

    test('podman save --format oci-archive', async () => {
      const name = imageOf('podman')
      const query = `/v4.0.0/libpod/images/${name}/get?format=oci-archive`
      const { body } = await callEngine(service('podman').socketPath, query)
      const path = join(folder, 'podman-oci.tar')
      await writeFile(path, body)
      const known = (await inspect('podman', name)).RootFS.Layers
      for (const engine of ENGINES) {
        const [loaded] = await load(engine, path)
        expect((await inspect(engine, loaded!.name!)).RootFS.Layers).toEqual(known)
        if (engine !== 'podman') await remove(engine, loaded!.name!)
      }
    })

    test('a layout whose name is a mere tag: the image has no name then', async () => {
      const path = join(folder, 'mere-tag.tar')
      await copy(`oci-archive:${path}:1.0`)
      for (const engine of ENGINES) {
        const [loaded] = await load(engine, path)
        expect(loaded!.name).toBeUndefined()
        expect((await inspect(engine, loaded!.id)).RootFS.Layers).toEqual(diffIDs)
      }
    })

    test.each(['gzip', 'xz', 'bzip2', 'zstd'])('compressed with %s, from stdin', async (program) => {
      const path = await saved('dockerClassic', `${program}.tar`)
      const packed =
        program === 'zstd'
          ? zstdCompressSync(await readFile(path))
          : (await exec(program, ['-c', path], { encoding: 'buffer', maxBuffer: 1e9 })).stdout
      await expectLoaded('dockerContainerd', Readable.from([packed]), from, diffIDs)
    })

    test.each([
      ['gnu', []],
      ['posix', ['--sparse-version=0.0']],
      ['posix', ['--sparse-version=0.1']],
      ['posix', ['--sparse-version=1.0']],
    ])('tar --sparse --format=%s %j, which not every engine reads', async (format, version) => {
      const parts = join(folder, `sparse-${format}-${version.join()}`)
      await mkdir(parts)
      const layer = await layerTar('zeros', Buffer.alloc(3_000_000))
      const whole = join(folder, 'whole.tar')
      await writeFile(
        whole,
        tar(classicEntries([{ tags: [`imgctl-save-${RUN}/holes:1.0`], layers: [layer] }])),
      )
      await exec('tar', ['-xf', whole, '-C', parts])
      for (const name of await readdir(parts, { recursive: true })) {
        if (!name.endsWith('layer.tar')) continue
        await exec('cp', ['--sparse=always', join(parts, name), join(folder, 'holes')])
        await exec('mv', [join(folder, 'holes'), join(parts, name)])
      }
      const path = `${parts}.tar`
      await exec('tar', ['--sparse', `--format=${format}`, ...version, '-cf', path, '-C', parts, '.'])
      expect((await stat(path)).size).toBeLessThan(layer.length / 10)
      for (const engine of ENGINES)
        await expectLoaded(engine, path, `imgctl-save-${RUN}/holes:1.0`, [digestBytes(layer)])
    })

    test('saved with --compress', async () => {
      for (const compress of ['gzip', 'zstd'] as const) {
        const path = await saved('dockerClassic', `saved.${compress}`, { compress })
        await expectLoaded('dockerContainerd', createReadStream(path), from, diffIDs)
      }
    })
  })

  test('several images in one archive keep their names', async () => {
    const second = `imgctl-save-${RUN}/second:1.0`
    await buildSteps('dockerClassic', second, `${RUN} second`)
    const path = await saved('dockerClassic', 'several.tar', { images: [imageOf('dockerClassic'), second] })
    const loaded = await load('dockerContainerd', path)
    expect(loaded.map(({ name }) => name).sort()).toEqual([imageOf('dockerClassic'), second].sort())
    for (const { name } of loaded) await remove('dockerContainerd', name!)
    await remove('dockerClassic', second)
  })

  test('an image that is not there is said before anything is written', async () => {
    const images = [imageOf('podman'), 'imgctl-save/nowhere:1']
    await expect(saved('podman', 'absent.tar', { images })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
    expect(await readdir(folder)).not.toContain('absent.tar')
  })
})

describeWith(['dockerClassic', 'dockerContainerd', 'podman', 'tools'], 'images for several platforms', () => {
  const AMD64 = { os: 'linux', architecture: 'amd64' }
  const ARM64 = { os: 'linux', architecture: 'arm64' }
  const name = INDEX_IMAGES.multiPlatform
  beforeAll(() => indexImages())
  afterAll(() => remove('dockerClassic', name))

  test('keep their digest through save, rm and load', async () => {
    const own = `imgctl-save-${RUN}/index:1.0`
    const { dockerHost: host } = service('dockerContainerd')
    await succeeded(docker(['tag', name, own], { host }))
    const before = (await inspect('dockerContainerd', own)).Id
    for (const format of ['docker', 'oci'] as const) {
      const path = await saved('dockerContainerd', `index-${format}.tar`, { images: [own], format })
      await remove('dockerContainerd', own)
      const [loaded] = await load('dockerContainerd', path)
      expect(loaded).toMatchObject({ name: own, id: before })
    }
    await remove('dockerContainerd', own)
  })

  test('--platform saves that one alone', async () => {
    const path = await saved('dockerContainerd', 'arm64.tar', { images: [name], platform: ARM64 })
    const archive = await openArchive(path)
    await archive.close()
    expect(archive.images.map(({ platform }) => platform)).toEqual([ARM64])
  })

  test('load gives a classic engine the one that runs there, and with --platform that one', async () => {
    const path = await saved('dockerContainerd', 'both.tar', { images: [name] })
    for (const platform of [undefined, ARM64]) {
      const request = { source: path, ...(platform ? { platform } : {}) }
      const [loaded, ...more] = await loadImages(
        async () => engineOf('dockerClassic'),
        request,
        () => {},
      )
      expect(more).toEqual([])
      expect(loaded!.platform).toEqual(platform ?? AMD64)
    }
  })

  test('--platform of another one is ARCH_MISMATCH on every engine', async () => {
    const platform = { os: 'linux', architecture: 's390x' }
    const path = await saved('dockerContainerd', 'mismatch.tar', { images: [name] })
    for (const engine of ENGINES) {
      const loading = loadImages(
        async () => engineOf(engine),
        { source: path, platform },
        () => {},
      )
      await expect(loading).rejects.toMatchObject({ code: 'ARCH_MISMATCH' })
    }
  })
})
