import { ImgctlError, isCode } from '../errors/error.ts'
import { isLoopback } from '../internal/loopback.ts'
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
  const registry = registryOf(term)
  const query = {
    ...{ term, limit: String(limit), filters: JSON.stringify(filters) },
    // Docker takes every registry on this machine for an insecure one by itself.
    ...(engine.product === 'podman' && registry && isLoopback(registry) ? { tlsVerify: 'false' } : {}),
  }
  const found = await ask(engine, { method: 'GET', path: '/images/search', query, signal }, registry)
  return Array.isArray(found) ? found.map((image) => readFound(asFields(image))).slice(0, limit) : []
}

/** The registry that a term begins with, as engines see it; undefined for a term of Docker Hub. */
function registryOf(term: string): string | undefined {
  const [first = '', ...rest] = term.split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : undefined
}

/** Podman answers 404 when it found nothing. */
async function ask(
  engine: EngineConnection,
  call: EngineCall,
  registry: string | undefined,
): Promise<unknown> {
  const refusal = (status: number, message: string) =>
    status === 404
      ? new ImgctlError('IMAGE_NOT_FOUND', message)
      : registryFailure(SEARCH, registry ?? 'Docker Hub', message)
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
