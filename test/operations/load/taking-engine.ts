import { Readable } from 'node:stream'
import { openArchiveStream } from '../../../src/archive/open-archive.ts'
import type { LoadingEngine } from '../../../src/operations/load/load-images.ts'
import type { EngineInfo } from '../../../src/ports/engine.ts'
import type { LoadedName } from '../../../src/ports/engine-transfer.ts'
import type { TemporaryFolder } from '../../archive/temporary-folder.ts'

/** An engine that takes every archive, and what it was given. */
export function takingEngine(folder: TemporaryFolder, store: EngineInfo['store'] = 'classic') {
  const taken: {
    images: string[]
    configs: string[]
    kind?: string
    manifests: (string | undefined)[]
  } = {
    images: [],
    configs: [],
    manifests: [],
  }
  const platform = { os: 'linux', architecture: 'amd64' }
  const engine: LoadingEngine = {
    info: async () => ({
      product: 'docker',
      version: '1',
      apiVersion: '1.41',
      store,
      platform,
      host: 'unix:///x',
    }),
    inspectImage: async (reference) => ({
      id: reference.startsWith('sha256:') ? (reference as `sha256:${string}`) : `sha256:${'0'.repeat(64)}`,
      ...{ platform, size: 1, repoTags: [], variants: [], diffIDs: [], entrypoint: [], cmd: [] },
    }),
    async loadImages(tar) {
      const chunks: Buffer[] = []
      // A copy: the source uses its buffer again.
      for await (const chunk of tar) chunks.push(Buffer.from(chunk))
      const archive = await openArchiveStream(Readable.from(chunks), { spool: { folder: folder.spool } })
      await archive.verify()
      await archive.close()
      taken.kind = archive.kind
      taken.images = archive.images.flatMap(({ repoTags, configDigest }) =>
        repoTags.length ? repoTags : [configDigest],
      )
      taken.configs = archive.images.map(({ configDigest }) => configDigest)
      taken.manifests = archive.images.map(({ manifest }) => manifest?.digest)
      return archive.images.flatMap(({ repoTags, configDigest }): LoadedName[] =>
        repoTags.length ? repoTags.map((name) => ({ name })) : [{ id: configDigest }],
      )
    },
  }
  return { engine: async () => engine, taken }
}
