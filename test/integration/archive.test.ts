import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ArchiveImage, LayerDescription } from '../../src/archive/archive-image.ts'
import { readDockerExport } from '../../src/archive/docker-export.ts'
import { openArchive } from '../../src/archive/open-archive.ts'
import { selectImage } from '../../src/archive/select-image.ts'
import { digestBytes } from '../../src/oci/digest.ts'
import { LINUX_AMD64 } from '../../src/oci/platform.ts'
import { classicEntries, layerTar, tar } from '../archive/build-archive.ts'
import { run } from '../services/command.ts'
import { callEngine } from '../services/engine.ts'
import {
  type EngineName,
  fixtureImages,
  IMAGES,
  type ImageName,
  INDEX_IMAGES,
  indexImages,
  ociLayout,
  save,
  savedArchive,
} from '../services/fixtures.ts'
import { crane, docker, skopeo, succeeded } from '../services/tools.ts'
import { describeWith, ownRegistry, service, services } from '../services/use.ts'

const folder = join(services().runFolder, `archive-${process.pid}`)

beforeAll(async () => {
  await mkdir(folder, { recursive: true })
})

/** What an image's content is, whoever wrote its archive. */
const contentOf = ({ configDigest, config, layers }: ArchiveImage<LayerDescription>) => ({
  configDigest,
  diffIDs: config.diffIDs,
  layers: layers.length,
})

/** Opens an archive, selects an image and reads all its layers: every digest is checked on the way. */
async function readImage(path: string, wanted?: string): Promise<ArchiveImage> {
  const archive = await openArchive(path)
  try {
    const image = selectImage(archive.images, wanted, LINUX_AMD64)
    for (const layer of image.layers) {
      let bytes = 0
      for await (const chunk of await layer.open()) bytes += (chunk as Buffer).length
      expect(bytes).toBe(layer.storedSize)
    }
    return image
  } finally {
    await archive.close()
  }
}

async function inspect(engine: EngineName, reference: string) {
  const { body } = await callEngine(service(engine).socketPath, `/images/${reference}/json`)
  return JSON.parse(body.toString()) as { Id: string; RootFS: { Layers: string[] } }
}

const ENGINES: EngineName[] = ['dockerClassic', 'dockerContainerd', 'podman']

for (const engine of ENGINES) {
  describeWith([engine], `what ${engine} saves`, () => {
    test.each(Object.keys(IMAGES) as ImageName[])('%s is read as the engine knows it', async (name) => {
      const path = await savedArchive(engine, name)
      const image = await readImage(path)
      const known = await inspect(engine, IMAGES[name])
      expect(image.config.diffIDs).toEqual(known.RootFS.Layers)
      expect(image.platform.architecture).toBe(name === 'helloArm64' ? 'arm64' : 'amd64')
      expect(image.repoTags.join()).toContain(IMAGES[name])
      const ids = [image.configDigest, image.manifest?.digest].map(String)
      const id = known.Id.startsWith('sha256:') ? known.Id : `sha256:${known.Id}`
      expect(ids).toContain(id)
    })

    test('passes by as a stream with the same content', async () => {
      const path = await savedArchive(engine, 'twoLayers')
      const passed = new Map<string, number>()
      const images = await readDockerExport(createReadStream(path), async ({ path, size, body }) => {
        passed.set(path, size)
        for await (const _ of body);
      })
      expect(images).toHaveLength(1)
      expect(contentOf(images[0]!)).toEqual(contentOf(await readImage(path)))
      for (const layer of images[0]!.layers) expect(passed.get(layer.path)).toBe(layer.storedSize)
    })

    test("is the same gzip'd", async () => {
      const path = await savedArchive(engine, 'hello')
      const compressed = join(folder, `${engine}.tar.gz`)
      await pipeline(createReadStream(path), createGzip({ level: 1 }), createWriteStream(compressed))
      expect(contentOf(await readImage(compressed))).toEqual(contentOf(await readImage(path)))
    })

    test('has several images to choose from', async () => {
      const names = await fixtureImages(engine)
      const path = join(folder, `${engine}-several.tar`)
      await save(service(engine).socketPath, [names.hello, names.twoLayers, names.helloArm64], path)
      await expect(readImage(path)).rejects.toMatchObject({ code: 'ARCHIVE_AMBIGUOUS' })
      const wanted = engine === 'podman' ? `docker.io/${names.twoLayers}` : names.twoLayers
      expect((await readImage(path, wanted)).config.diffIDs).toHaveLength(2)
      expect((await readImage(path, names.helloArm64)).platform.architecture).toBe('arm64')
    })

    test('is refused when it is cut anywhere', async () => {
      const path = await savedArchive(engine, 'noEntry')
      const { size } = await stat(path)
      const bytes = await createReadStream(path).toArray()
      const whole = Buffer.concat(bytes)
      expect(whole.length).toBe(size)
      const content = contentOf(await readImage(path))
      for (let i = 0; i < 40; i++) {
        const cut = join(folder, `${engine}-cut.tar`)
        await pipeline(
          Readable.from([whole.subarray(0, Math.floor((size * i) / 40))]),
          createWriteStream(cut),
        )
        const outcome = await readImage(cut).then(contentOf, (error: unknown) => error)
        // What is cut after the last thing that an image needs is a whole image.
        if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'ARCHIVE_INVALID' })
        else expect(outcome).toEqual(content)
      }
    })
  })
}

describeWith(['podman'], 'what podman saves as OCI', () => {
  test('is read as podman knows it', async () => {
    const { twoLayers } = await fixtureImages('podman')
    const query = `/v4.0.0/libpod/images/${twoLayers}/get?format=oci-archive`
    const { status, body } = await callEngine(service('podman').socketPath, query)
    expect(status).toBe(200)
    const path = join(folder, 'podman-oci.tar')
    await writeFile(path, body)
    const image = await readImage(path)
    expect(image.manifest).toBeDefined()
    expect(image.config.diffIDs).toEqual((await inspect('podman', twoLayers)).RootFS.Layers)
  })
})

describeWith(['dockerContainerd', 'tools'], 'images of several platforms', () => {
  test('are saved with an index that the archive is chosen from', async () => {
    await indexImages()
    for (const reference of Object.values(INDEX_IMAGES)) {
      const path = join(folder, 'index.tar')
      await save(service('dockerContainerd').socketPath, [reference], path)
      const image = await readImage(path)
      expect(image.platform).toEqual(LINUX_AMD64)
      expect(image.manifest).toBeDefined()
    }
  })

  test('are exported by buildx as an OCI layout, attestations left out', async () => {
    const dockerfile = 'FROM scratch\nCOPY <<EOF /hello\nhello\nEOF\n'
    const input = tar([{ name: 'Dockerfile', body: dockerfile }])
    const out = join(folder, 'buildx.tar')
    const flags = [
      '--platform',
      'linux/amd64,linux/arm64',
      '--output',
      `type=oci,dest=${out},name=a.example/app:1`,
    ]
    const { dockerHost: host } = service('dockerContainerd')
    await succeeded(docker(['buildx', 'build', ...flags, '-'], { host, input, folders: [folder] }))
    const archive = await openArchive(out)
    await archive.close()
    expect(archive.kind).toBe('oci-layout')
    expect(archive.images.map(({ platform }) => platform.architecture).sort()).toEqual(['amd64', 'arm64'])
    expect((await readImage(out)).repoTags).toEqual(['a.example/app:1'])
  })
})

describeWith(['dockerClassic', 'tools'], 'what other tools write', () => {
  const registry = ownRegistry()
  const inFolder = { folders: [folder] }

  /** The image's content as the engine saved it, and the path. */
  async function source() {
    const path = await savedArchive('dockerClassic', 'twoLayers')
    return { path, content: contentOf(await readImage(path)) }
  }

  test.each([
    ['docker-archive', 'skopeo-docker.tar'],
    ['oci-archive', 'skopeo-oci.tar'],
    ['oci', 'skopeo-oci'],
  ])('skopeo copy to %s', async (transport, name) => {
    const { path, content } = await source()
    const out = join(folder, name)
    const options = { folders: [folder, services().runFolder] }
    const from = `docker-archive:${path}`
    await succeeded(skopeo(['--insecure-policy', 'copy', from, `${transport}:${out}:team/app:1.0`], options))
    const image = await readImage(out)
    // Skopeo writes the config anew for OCI.
    if (transport === 'docker-archive') expect(contentOf(image)).toEqual(content)
    expect(image.config.diffIDs).toEqual(content.diffIDs)
    expect(image.repoTags).toEqual(['team/app:1.0'])
  })

  test.each(['gzip', 'zstd'])('skopeo copy to a layout with %s layers', async (compression) => {
    const { path, content } = await source()
    const out = join(folder, `skopeo-${compression}`)
    const options = { folders: [folder, services().runFolder] }
    const format = ['--dest-compress-format', compression, '--dest-oci-accept-uncompressed-layers=false']
    const [from, to] = [`docker-archive:${path}`, `oci:${out}:1.0`]
    await succeeded(skopeo(['--insecure-policy', 'copy', ...format, from, to], options))
    const image = await readImage(out)
    expect(image.config.diffIDs).toEqual(content.diffIDs)
    expect(image.layers.map((layer) => layer.compression)).toEqual([compression, compression])
  })

  test('a layout keeps its manifest', async () => {
    const path = await ociLayout('twoLayers')
    const image = await readImage(path)
    expect(digestBytes(image.manifest!.bytes)).toBe(image.manifest!.digest)
    expect(await readdir(join(path, 'blobs', 'sha256'))).toContain(image.manifest!.digest.slice(7))
  })

  test.each([
    ['tarball', 'crane.tar'],
    ['legacy', 'crane-legacy.tar'],
    ['oci', 'crane-oci'],
  ])('crane pull --format %s', async (format, name) => {
    const { path, content } = await source()
    const reference = `${registry().host}/team/app:1.0`
    const out = join(folder, name)
    const options = { folders: [folder, services().runFolder] }
    const copy = ['--insecure-policy', 'copy', '--dest-tls-verify=false', '--format', 'v2s2']
    await succeeded(skopeo([...copy, `docker-archive:${path}`, `docker://${reference}`], options))
    await succeeded(crane(['pull', '--insecure', '--format', format, reference, out], inFolder))
    const image = await readImage(out)
    expect(contentOf(image)).toEqual(content)
    if (format === 'tarball') expect(image.layers.map((layer) => layer.compression)).toEqual(['gzip', 'gzip'])
  })
})

describeWith(['dockerClassic'], 'a full disk', () => {
  const small = join(folder, 'small')

  beforeAll(async () => {
    await mkdir(small, { recursive: true })
    expect(await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])).toMatchObject({ code: 0 })
  })
  afterAll(() => run('umount', [small]))

  test('is said while an archive is decompressed, and nothing is left on it', async () => {
    const layer = await layerTar('random', randomBytes(5_000_000))
    const path = join(folder, 'large.tar.gz')
    const bytes = tar(classicEntries([{ tags: ['a:1'], layers: [layer] }]))
    await pipeline(Readable.from([bytes]), createGzip({ level: 1 }), createWriteStream(path))
    await expect(openArchive(path, { spool: { folder: small } })).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(await readdir(small)).toEqual([])
    const { stdout } = await run('df', ['--output=used', small])
    expect(stdout.trim().split('\n').at(-1)?.trim()).toBe('0')
  })
})
