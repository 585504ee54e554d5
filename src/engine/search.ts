import { ImgctlError, isCode } from '../errors/error.ts'
import type { FoundImage, SearchQuery } from '../ports/engine-intake.ts'
import type { EngineCall, EngineConnection } from './connection.ts'
import { asFields, type Fields, numberAt, stringAt } from './json-fields.ts'
import { type Errand, registryFailure } from './registry-failure.ts'

const SEARCH: Errand = {
  doing: 'search',
  rules: [],
  hints: () => ({ REGISTRY_UNREACHABLE: 'see that the engine itself reaches the registry' }),
}

/** As EngineSearch.searchImages. */
export async function searchImages(
  engine: EngineConnection,
  { term, limit, isOfficial, minStars }: SearchQuery,
  signal?: AbortSignal,
): Promise<FoundImage[]> {
  const filters = {
    ...(isOfficial === undefined ? {} : { 'is-official': [String(isOfficial)] }),
    ...(minStars === undefined ? {} : { stars: [String(minStars)] }),
  }
  const found = await ask(engine, {
    method: 'GET',
    path: '/images/search',
    query: { term, limit: String(limit), filters: JSON.stringify(filters) },
    signal,
  })
  return Array.isArray(found) ? found.map((image) => readFound(asFields(image))).slice(0, limit) : []
}

/** Podman answers 404 when it found nothing. */
async function ask(engine: EngineConnection, call: EngineCall): Promise<unknown> {
  const refusal = (status: number, message: string) =>
    status === 404
      ? new ImgctlError('IMAGE_NOT_FOUND', message)
      : registryFailure(SEARCH, 'Docker Hub', message)
  try {
    return await engine.json({ ...call, refusal })
  } catch (error) {
    if (isCode(error, 'IMAGE_NOT_FOUND')) return []
    throw error
  }
}

/** Docker's keys; Podman writes them as its own structure has them, and `[OK]` for yes. */
function readFound(image: Fields): FoundImage {
  return {
    name: stringAt(image, 'name') ?? stringAt(image, 'Name') ?? '',
    description: stringAt(image, 'description') ?? stringAt(image, 'Description') ?? '',
    stars: numberAt(image, 'star_count') ?? numberAt(image, 'Stars') ?? 0,
    official: image['is_official'] === true || stringAt(image, 'Official') === '[OK]',
  }
}
