import type { Image, ListImagesQuery } from '../../src/contract/image.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import type { Server } from '../../src/ports/server.ts'

export function image(part: Partial<Image> = {}): Image {
  const name = part.name ?? 'app:1.0'
  return {
    id: `id-${name}`,
    organizationId: 'org',
    name,
    reference: `127.0.0.1:7700/default/${name}`,
    digest: `sha256:${'a'.repeat(64)}`,
    source: { kind: 'pushed' },
    state: 'active',
    step: null,
    reason: null,
    errorReason: null,
    enabled: true,
    general: false,
    size: 0.001,
    sizeBytes: 1_000_000,
    entrypoint: null,
    platform: 'linux/amd64',
    labels: {},
    visibility: 'private',
    description: null,
    createdBy: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    lastUsedAt: null,
    ...part,
  }
}

export function notFound(): ImgctlError {
  return new ImgctlError('IMAGE_NOT_FOUND', 'there is no such image', { status: 404 })
}

/** A server that can do what a test gives it, and fails the test on every other call. */
export function fakeServer(part: Partial<Server>): Server {
  return new Proxy(part as Server, {
    get(target, name) {
      // A promise is told from other objects by its `then`.
      if (name in target || name === 'then') return Reflect.get(target, name)
      return () => {
        throw new Error(`the test did not expect a call of ${String(name)}`)
      }
    },
  })
}

/** `images` answering pages of a list that may change between them. */
export function pagesOf(images: Image[], pageSize: number) {
  const asked: ListImagesQuery[] = []
  const list: Server['images'] = async (query) => {
    asked.push(query)
    const start = query.cursor === undefined ? 0 : images.findIndex(({ id }) => id === query.cursor) + 1
    const items = images.slice(start, start + pageSize)
    const more = start + pageSize < images.length
    return { items, total: images.length, page: 1, totalPages: 1, nextCursor: more ? items.at(-1)!.id : null }
  }
  return { images: list, asked }
}
