import type { Platform } from '../oci/platform.ts'
import { familiarReference, tryParseReference } from '../oci/reference.ts'
import type { CatalogQuery, ListedImage } from '../ports/engine-catalog.ts'
import type { EngineConnection } from './connection.ts'
import { imageList } from './image-list.ts'
import { inspect, inspectImage, readDigest } from './images.ts'
import { asFields, type Fields, numberAt, stringAt, stringsAt } from './json-fields.ts'
import { familiarTag } from './names.ts'
import { platformQuery } from './platforms.ts'

/** The moments that a date of JavaScript can be, in seconds from 1970. */
const LAST_SECOND = 8.64e12

/** As EngineCatalog.listImages. */
export async function listImages(
  engine: EngineConnection,
  query: CatalogQuery,
  signal?: AbortSignal,
): Promise<ListedImage[]> {
  const parameters = {
    ...(query.intermediate ? { all: '1' } : {}),
    filters: JSON.stringify(await filters(engine, query, signal)),
  }
  return (await imageList(engine, parameters, signal)).map(readListed).sort(byAge)
}

/** Engines tell seconds: what is of the same one is in the order of its names, so that a list looks the same again. */
function byAge(a: ListedImage, b: ListedImage): number {
  const [name, other] = [a, b].map(({ tags, id }) => tags[0] ?? id)
  return b.createdAt.localeCompare(a.createdAt) || name!.localeCompare(other!)
}

/** As EngineCatalog.describeImage. */
export async function describeImage(
  engine: EngineConnection,
  reference: string,
  signal?: AbortSignal,
  platform?: Platform,
): Promise<Fields> {
  // Says which names may have been meant when there is no such image.
  await inspectImage(engine, reference, signal)
  return inspect(engine, reference, platformQuery(engine, 'inspect', platform), signal)
}

/** An engine's own answer to an image that is not there differs from engine to engine: it is looked for first. */
async function filters(
  engine: EngineConnection,
  { dangling, labels = [], before, since }: CatalogQuery,
  signal: AbortSignal | undefined,
): Promise<Record<string, string[]>> {
  for (const image of [before, since]) if (image !== undefined) await inspectImage(engine, image, signal)
  return {
    ...(dangling === undefined ? {} : { dangling: [String(dangling)] }),
    ...(labels.length === 0 ? {} : { label: [...labels] }),
    ...(before === undefined ? {} : { before: [before] }),
    ...(since === undefined ? {} : { since: [since] }),
  }
}

function readListed(image: Fields): ListedImage {
  const parent = stringAt(image, 'ParentId')
  // The containerd store lists what was pulled by digest as a tag.
  const names = [...stringsAt(image, 'RepoTags'), ...stringsAt(image, 'RepoDigests')]
  return {
    id: readDigest(stringAt(image, 'Id')),
    parentId: parent === undefined ? undefined : readDigest(parent),
    tags: unique(stringsAt(image, 'RepoTags').flatMap((name) => familiarTag(name) ?? [])),
    digests: unique(names.flatMap((name) => familiarDigest(name) ?? [])),
    createdAt: readTime(numberAt(image, 'Created') ?? 0),
    size: numberAt(image, 'Size') ?? 0,
    labels: readLabels(asFields(image['Labels'])),
  }
}

/** `docker.io/library/app@sha256:...` as `app@sha256:...`; undefined for what names no digest. */
export function familiarDigest(name: string): string | undefined {
  const reference = tryParseReference(name)
  return 'rule' in reference || reference.digest === undefined ? undefined : familiarReference(reference)
}

function readTime(seconds: number): string {
  const within = Math.min(LAST_SECOND, Math.max(-LAST_SECOND, seconds))
  return new Date(within * 1000).toISOString().replace('.000Z', 'Z')
}

function readLabels(labels: Fields): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}
