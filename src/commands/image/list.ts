import type { Image, ListImagesQuery } from '../../contract/image.ts'
import { type ImageFilter, listImages } from '../../operations/list-images.ts'
import type { ServerImages } from '../../ports/server.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { ENGINE_FLAGS, ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { filters } from '../options/filters.ts'
import { choice, flag, integer, negation, text, texts } from '../options/kinds.ts'
import { format, quiet } from '../options/output.ts'
import { assertUnset } from '../options/unset.ts'
import { LOCAL_FILTERS, listLocal } from '../shared/list-local.ts'
import { imageRecord, imageView } from '../views/image-record.ts'

const SORTS = ['createdAt', 'updatedAt', 'name', 'sizeBytes', 'lastUsedAt'] as const
const ORDERS = ['asc', 'desc'] as const

export default defineCommand({
  description: [
    'Lists the images on the server: all of them, or one page when --page or --limit is given.',
    'With --local the images of the engine, as docker image ls does.',
  ].join(' '),
  arguments: {},
  options: {
    local: flag('--local', 'the images of the engine'),
    format: format(),
    quiet,
    page: integer('-p, --page <n>', 'only this page, counted from 1', { min: 1, max: 1_000_000 }),
    limit: integer('-l, --limit <n>', 'images on a page (100 when only --page is given)', {
      min: 1,
      max: 200,
    }),
    name: text('--name <pattern>', "a glob like 'app:*', or a part of the name"),
    state: texts('--state <state>', 'only this state; may be given again'),
    label: texts('--label <key[=value]>', 'only with this label; may be given again: all must hold'),
    visibility: choice('--visibility <who>', 'who may pull', ['private', 'public']),
    sort: choice('--sort <field>', 'sort by', SORTS),
    order: choice('--order <direction>', 'in which direction', ORDERS),
    filter: filters('with --local, only images with', LOCAL_FILTERS),
    digests: flag('--digests', 'with --local, show digests'),
    trunc: negation('--no-trunc', 'with --local, show whole ids'),
    ...ENGINE_OPTIONS,
  },
  examples: [
    'imgctl image list',
    "imgctl image list --name 'app:*' --state active --sort createdAt --order desc",
    "imgctl image list --format '{{.Name}} {{.Digest}}'",
    'imgctl image delete $(imgctl image list --state error --quiet)',
    "imgctl image list --local --filter 'reference=app:*'",
  ],
  async run({ options }, context) {
    const { streams, server, signal } = context
    const { page, limit, format, quiet } = options
    if (options.local) {
      assertUnset(options, REMOTE_ONLY, 'is for images on the server; with --local there is --filter')
      return listLocal(await context.engine(engineChoice(options)), options, context)
    }
    assertUnset({ ...options, noTrunc: !options.trunc }, LOCAL_ONLY, 'goes with --local')
    const filter = imageFilter(options)
    const images = await collect(await server(), filter, { page, limit }, signal)
    await printRecords(streams.stdout, images.map(imageRecord), imageView(Date.now()), { format, quiet })
    if (images.length === 0 && format.kind === 'table' && !quiet) {
      const isFiltered = Object.keys(filter).length > 0 || page !== undefined
      streams.stderr.write(isFiltered ? 'No images found\n' : NOTHING_YET)
    }
  },
})

const LOCAL_ONLY = {
  filter: '--filter',
  digests: '--digests',
  noTrunc: '--no-trunc',
  ...ENGINE_FLAGS,
} as const
const REMOTE_ONLY = {
  ...{ page: '--page', limit: '--limit', name: '--name', state: '--state', label: '--label' },
  ...{ visibility: '--visibility', sort: '--sort', order: '--order' },
} as const

const NOTHING_YET = "No images found\nUse 'imgctl image push' to push an image.\n"

interface FilterOptions {
  readonly name: string | undefined
  readonly state: readonly string[]
  readonly label: readonly string[]
  readonly visibility: ListImagesQuery['visibility']
  readonly sort: ListImagesQuery['sort']
  readonly order: ListImagesQuery['order']
}

function imageFilter({ name, state, label, visibility, sort, order }: FilterOptions): ImageFilter {
  return {
    ...(name === undefined ? {} : { name }),
    ...(state.length === 0 ? {} : { state: state.join(',') }),
    ...(label.length === 0 ? {} : { label: label.join(',') }),
    ...(visibility === undefined ? {} : { visibility }),
    ...(sort === undefined ? {} : { sort }),
    ...(order === undefined ? {} : { order }),
  }
}

async function collect(
  server: ServerImages,
  filter: ImageFilter,
  { page, limit }: { readonly page: number | undefined; readonly limit: number | undefined },
  signal: AbortSignal,
): Promise<Image[]> {
  if (page !== undefined || limit !== undefined) {
    const onePage = { ...(page === undefined ? {} : { page }), ...(limit === undefined ? {} : { limit }) }
    return (await server.images({ ...filter, ...onePage }, signal)).items
  }
  const images: Image[] = []
  for await (const image of listImages(server, filter, signal)) images.push(image)
  return images
}
