import type { FoundImage } from '../../ports/engine-intake.ts'
import { printRecords, type RecordView } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { booleanOf, type Filter, filters, singleValueOf } from '../options/filters.ts'
import { integer, negation, required, usage } from '../options/kinds.ts'
import { format, quiet } from '../options/output.ts'

const FILTERS = ['is-official', 'stars'] as const
/** Docker Hub's own bounds. */
const LIMIT = { min: 1, max: 100 }
const DEFAULT_LIMIT = 25
/** As much of a description as docker shows. */
const SHOWN_DESCRIPTION = 45

export default defineCommand({
  description: 'Searches Docker Hub for images, through the engine.',
  arguments: {
    term: required('<term>', 'what to look for; a registry of your own stands before it: HOST/TERM'),
  },
  options: {
    limit: integer('--limit <n>', `how many at most (default: ${DEFAULT_LIMIT})`, LIMIT),
    filter: filters('only images with', FILTERS),
    trunc: negation('--no-trunc', 'show whole descriptions'),
    ...ENGINE_OPTIONS,
    format: format(),
    quiet: { ...quiet, description: 'print names only' },
  },
  examples: [
    'imgctl image search nginx --limit 5',
    'imgctl image search node --filter is-official=true --format json',
    'imgctl image search registry.example.com/app',
  ],
  async run({ args, options }, { engine, streams, signal }) {
    const { filter, limit = DEFAULT_LIMIT, format, quiet } = options
    const isOfficial = booleanOf(filter, 'is-official')
    const minStars = starsOf(filter)
    const opened = await engine(engineChoice(options))
    const found = await opened.searchImages(
      {
        term: args.term,
        limit,
        ...(isOfficial === undefined ? {} : { isOfficial }),
        ...(minStars === undefined ? {} : { minStars }),
      },
      signal,
    )
    await printRecords(streams.stdout, found, searchView(!options.trunc), { format, quiet })
    if (found.length === 0 && format.kind === 'table' && !quiet) streams.stderr.write('No images found\n')
  },
})

function starsOf(filter: readonly Filter<(typeof FILTERS)[number]>[]): number | undefined {
  const text = singleValueOf(filter, 'stars')
  if (text === undefined || /^\d{1,9}$/.test(text)) return text === undefined ? undefined : Number(text)
  throw usage('--filter', `stars=${text}`, 'stars=10: a whole number')
}

function searchView(whole: boolean): RecordView<FoundImage> {
  return {
    columns: [
      { header: 'Name', value: ({ name }) => name },
      {
        header: 'Description',
        value: ({ description }) => description,
        ...(whole ? {} : { human: ({ description }) => shortened(description) }),
      },
      { header: 'Stars', value: ({ stars }) => stars },
      {
        header: 'Official',
        value: ({ official }) => official,
        human: ({ official }) => (official ? '[OK]' : ''),
      },
    ],
    id: ({ name }) => name,
  }
}

function shortened(text: string): string {
  const characters = [...text]
  return characters.length <= SHOWN_DESCRIPTION
    ? text
    : `${characters.slice(0, SHOWN_DESCRIPTION - 1).join('')}…`
}
