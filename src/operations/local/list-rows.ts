import type { Digest } from '../../oci/digest.ts'
import { familiarName, parseReference } from '../../oci/reference.ts'
import type { CatalogQuery, EngineCatalog, ListedImage } from '../../ports/engine-catalog.ts'
import { referenceMatcher } from './reference-pattern.ts'

/** One name of an image, or an image without a name: a row of `docker image ls`. */
export interface ImageRow {
  readonly id: Digest
  /** As docker prints it; null: it has no name. */
  readonly repository: string | null
  readonly tag: string | null
  /** What a registry calls the image in this repository, where the engine knows it. */
  readonly digest: string | null
  /** RFC 3339. */
  readonly createdAt: string
  /** Bytes. */
  readonly size: number
  readonly labels: Readonly<Record<string, string>>
}

export interface RowQuery extends CatalogQuery {
  /** Only names that match one of these patterns. */
  readonly references: readonly string[]
  /** A row for each digest that a tag has, where there are several. */
  readonly everyDigest: boolean
}

/** The rows of the engine's images, as docker makes them, the newest image first. @throws as EngineCatalog; USAGE */
export async function listRows(
  engine: EngineCatalog,
  query: RowQuery,
  signal?: AbortSignal,
): Promise<ImageRow[]> {
  const { references, everyDigest, ...catalog } = query
  const matches = referenceMatcher(references)
  const images = await engine.listImages(catalog, signal)
  return images.flatMap((image) => {
    const named = namedRows(image, matches, everyDigest)
    const isUnnamed = image.tags.length === 0 && image.digests.length === 0
    return isUnnamed && references.length === 0 ? [row(image, {})] : named
  })
}

function namedRows(image: ListedImage, matches: (name: string) => boolean, everyDigest: boolean): ImageRow[] {
  const tags = image.tags.filter(matches).map(split)
  const digests = image.digests.filter(matches).map(split)
  const tagged = new Set(image.tags.map((name) => split(name).repository))
  const tagRows = tags.flatMap(({ repository, tag }) => {
    const known = image.digests.map(split).filter((name) => name.repository === repository)
    const shown = everyDigest ? known : known.slice(0, 1)
    return shown.length === 0
      ? [row(image, { repository, tag })]
      : shown.map(({ digest }) => row(image, { repository, tag, digest }))
  })
  // A repository whose tags are shown has its digests there.
  const digestRows = digests.filter(({ repository }) => !tagged.has(repository))
  return [...tagRows, ...digestRows.map(({ repository, digest }) => row(image, { repository, digest }))]
}

function row(
  { id, createdAt, size, labels }: ListedImage,
  {
    repository = null,
    tag = null,
    digest = null,
  }: { repository?: string | null; tag?: string | null; digest?: string | null },
): ImageRow {
  return { id, repository, tag, digest, createdAt, size, labels }
}

function split(name: string): { repository: string; tag: string | null; digest: string | null } {
  const reference = parseReference(name)
  return {
    repository: familiarName(reference),
    tag: reference.tag ?? null,
    digest: reference.digest ?? null,
  }
}
