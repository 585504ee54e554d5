import { ImgctlError } from '../../../src/errors/error.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { EngineImage, EngineInfo } from '../../../src/ports/engine.ts'
import type {
  CatalogQuery,
  EngineCatalog,
  EngineContainer,
  EngineContainers,
  ListedImage,
} from '../../../src/ports/engine-catalog.ts'

export const SIGNAL = new AbortController().signal

/** An id of one repeated hex digit. */
export function id(digit: string): Digest {
  return `sha256:${digit.repeat(64)}`
}

export function listed(digit: string, fields: Partial<ListedImage> = {}): ListedImage {
  return {
    id: id(digit),
    parentId: undefined,
    tags: [],
    digests: [],
    createdAt: '2026-01-01T00:00:00Z',
    size: 100,
    labels: {},
    ...fields,
  }
}

export function container(name: string, digit: string, running = false): EngineContainer {
  return { id: `${name}-id`, name, imageId: id(digit), running }
}

/** An engine that only answers questions. It finds images by id, the start of one, tag, or digest. */
export function engineWith(
  images: readonly ListedImage[],
  containers: readonly EngineContainer[] = [],
  store: EngineInfo['store'] = 'classic',
) {
  const queries: CatalogQuery[] = []
  const engine = {
    queries,
    listImages: async (query: CatalogQuery) => {
      queries.push(query)
      return [...images]
    },
    describeImage: () => Promise.reject(new Error('nobody expected describeImage')),
    containers: async () => [...containers],
    info: async () => ({ store }) as EngineInfo,
    inspectImage: async (reference: string) => {
      const hex = reference.replace('sha256:', '')
      const image = images.find(
        ({ id, tags, digests }) =>
          tags.some((tag) => [reference, `${reference}:latest`].includes(tag.replace(/^localhost\//, ''))) ||
          tags.includes(reference) ||
          digests.includes(reference) ||
          id.startsWith(`sha256:${hex}`),
      )
      if (image === undefined)
        throw new ImgctlError('IMAGE_NOT_FOUND', `the engine has no image ${reference}`)
      return { id: image.id, repoTags: image.tags } as EngineImage
    },
  }
  return engine satisfies EngineCatalog & EngineContainers & { queries: CatalogQuery[] }
}
