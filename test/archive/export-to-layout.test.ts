import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { exportToLayout } from '../../src/archive/export-to-layout.ts'
import { openArchive } from '../../src/archive/open-archive.ts'
import { writeTar } from '../../src/archive/tar-write.ts'
import { digestBytes } from '../../src/oci/digest.ts'
import { classicEntries, type Entry, LayoutBuilder, layerTar, tar } from './build-archive.ts'
import { openDescriptors, temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
const base = await layerTar('base', Buffer.alloc(300_000, 'base'))
const top = await layerTar('top', 'top')

async function converted(entries: readonly Entry[]) {
  const path = join(folder.root, `converted-${Math.random()}.tar`)
  const files = exportToLayout(Readable.from([tar(entries)]), { folder: folder.spool })
  await writeFile(path, writeTar(files))
  expect(folder.spooledFiles()).toEqual([])
  return openArchive(path)
}

describe('an export becomes a layout', () => {
  test('from a classic archive: same configs, layers and names', async () => {
    const before = openDescriptors()
    const archive = await converted(
      classicEntries([
        { tags: ['app:1.0', 'team/app:2'], layers: [base, top, base] },
        { tags: null, layers: [top] },
      ]),
    )
    await archive.verify()
    expect(archive.kind).toBe('oci-layout')
    const [first, second] = archive.images
    expect(first!.repoTags).toEqual(['app:1.0', 'team/app:2'])
    expect(first!.config.diffIDs).toEqual([base, top, base].map((layer) => digestBytes(layer)))
    expect(second!.repoTags).toEqual([])
    expect(second!.layers.map(({ descriptor }) => descriptor!.digest)).toEqual([digestBytes(top)])
    await archive.close()
    expect(openDescriptors()).toBe(before)
  })

  test('from blobs: manifests, index and attestations as they are', async () => {
    const builder = new LayoutBuilder()
    const image = builder.image([base])
    const attestation = builder.json({ predicate: 'x' }, 'application/vnd.in-toto+json')
    const index = builder.index([image])
    const layout = builder.entries([{ ...index, annotations: { 'io.containerd.image.name': 'a:1' } }])
    const archive = await converted([...layout.slice(2), layout[1]!, layout[0]!])
    await archive.verify()
    expect(archive.kind).toBe('oci-layout')
    expect(archive.images[0]!.manifest!.digest).toBe(image.digest)
    expect(archive.images[0]!.repoTags).toEqual(['a:1'])
    const chunks: Buffer[] = []
    // Copies: a chunk is good until the next one is asked for.
    for await (const chunk of archive.tar()) chunks.push(Buffer.from(chunk))
    const bytes = Buffer.concat(chunks)
    expect(bytes.includes(attestation.digest.slice(7))).toBe(true)
    await archive.close()
  })

  test.each<[string, Entry[], string]>([
    [
      'a blob that is not what its name says',
      [{ name: `blobs/sha256/${'0'.repeat(64)}`, body: 'x' }],
      'DIGEST_MISMATCH',
    ],
    [
      'an index whose images did not come',
      (() => {
        const builder = new LayoutBuilder()
        const image = builder.image([base, top])
        return builder.entries([image]).filter(({ name }) => !name.endsWith(image.digest.slice(7)))
      })(),
      'ARCHIVE_INVALID',
    ],
    [
      'a layout one of whose layers did not come',
      (() => {
        const builder = new LayoutBuilder()
        return builder.entries([builder.image([base, top])]).toSpliced(3, 1)
      })(),
      'ARCHIVE_INVALID',
    ],
    ['no list of images', [{ name: 'a/layer.tar', body: top }], 'ARCHIVE_INVALID'],
    [
      'a layer that is not what the config says',
      classicEntries([{ tags: null, layers: [top] }]).map((entry) =>
        entry.name.endsWith('layer.tar') ? { ...entry, body: base } : entry,
      ),
      'DIGEST_MISMATCH',
    ],
  ])('but not from %s', async (_, entries, code) => {
    await expect(converted(entries)).rejects.toMatchObject({ code })
  })
})
