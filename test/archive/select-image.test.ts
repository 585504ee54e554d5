import { describe, expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { selectImage } from '../../src/archive/select-image.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import { shortDigest } from '../../src/oci/digest.ts'
import { LINUX_AMD64 } from '../../src/oci/platform.ts'
import { classicEntries, type Entry, LayoutBuilder, layerTar, tar } from './build-archive.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
const one = await layerTar('one', '1')
const two = await layerTar('two', '2')
const three = await layerTar('three', '3')

async function imagesOf(entries: readonly Entry[]) {
  const archive = await openArchive(await folder.file(tar(entries)))
  await archive.close()
  return archive.images
}

const several = await imagesOf(
  classicEntries([
    { tags: ['app:1.0', 'team/app:2'], layers: [one] },
    { tags: ['registry.example:5000/db:latest'], layers: [two] },
    { tags: null, layers: [three] },
  ]),
)

const positionOf = (wanted: string) => several.indexOf(selectImage(several, wanted, LINUX_AMD64))

function failure(action: () => unknown): ImgctlError {
  try {
    action()
  } catch (error) {
    if (error instanceof ImgctlError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('among several images', () => {
  test.each([
    ['app:1.0', 0],
    ['docker.io/library/app:1.0', 0],
    ['team/app:2', 0],
    ['registry.example:5000/db', 1],
    ['registry.example:5000/db:latest', 1],
    ['@0', 0],
    ['@2', 2],
    [several[2]!.configDigest, 2],
    [several[1]!.configDigest.slice(7), 1],
    [shortDigest(several[2]!.configDigest), 2],
  ])('%s is image %i', (wanted, position) => {
    expect(positionOf(wanted)).toBe(position)
  })

  test.each(['app', 'app:2', 'ap', '@3', '@', '', 'sha256:', 'app:1.0 ', '\x1b[2J'])(
    '%j is none',
    (wanted) => {
      const error = failure(() => positionOf(wanted))
      expect(error.code).toBe('IMAGE_NOT_FOUND')
      expect(error.context).toHaveLength(3)
      expect(error.message).not.toContain('\x1b')
    },
  )

  test('the user is asked which one, with all choices', () => {
    const error = failure(() => selectImage(several, undefined, LINUX_AMD64))
    expect(error.code).toBe('ARCHIVE_AMBIGUOUS')
    expect(error.exitCode).toBe(5)
    expect(error.hint).toContain('--image')
    expect(error.context).toEqual([
      `@0  app:1.0  ${shortDigest(several[0]!.configDigest)}  linux/amd64`,
      `@1  registry.example:5000/db:latest  ${shortDigest(several[1]!.configDigest)}  linux/amd64`,
      `@2  (no name)  ${shortDigest(several[2]!.configDigest)}  linux/amd64`,
    ])
  })
})

test('a single image needs no name, whatever its platform', async () => {
  const images = await imagesOf(
    classicEntries([{ tags: null, layers: [one], platform: { architecture: 'arm64' } }]),
  )
  expect(selectImage(images, undefined, LINUX_AMD64)).toBe(images[0])
})

test('one image listed twice is one image', async () => {
  const images = await imagesOf(
    classicEntries([
      { tags: ['a:1'], layers: [one] },
      { tags: ['b:1'], layers: [one] },
    ]),
  )
  expect(images).toHaveLength(2)
  expect(selectImage(images, undefined, LINUX_AMD64)).toBe(images[0])
})

describe('an index of several platforms', () => {
  const layout = new LayoutBuilder()
  const ofPlatform = (architecture: string) => ({
    ...layout.image([one], { architecture }),
    platform: { os: 'linux', architecture },
  })
  const annotations = { 'org.opencontainers.image.ref.name': 'app:1.0' }
  const indexOf = (...architectures: string[]) =>
    layout.entries([{ ...layout.index(architectures.map(ofPlatform)), annotations }])

  test('is the image of the wanted platform', async () => {
    const images = await imagesOf(indexOf('arm64', 'amd64'))
    expect(selectImage(images, undefined, LINUX_AMD64).platform.architecture).toBe('amd64')
    expect(selectImage(images, 'app:1.0', LINUX_AMD64).platform.architecture).toBe('amd64')
  })

  test('without the wanted platform says which ones there are', async () => {
    const images = await imagesOf(indexOf('arm64', 's390x'))
    const error = failure(() => selectImage(images, 'app:1.0', LINUX_AMD64))
    expect(error.code).toBe('ARCH_MISMATCH')
    expect(error.context.join()).toContain('linux/arm64, linux/s390x')
  })
})
