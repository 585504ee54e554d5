import { ImgctlError } from '../../errors/error.ts'
import { type LabelCondition, type PruneQuery, planPrune } from '../../operations/local/plan-prune.ts'
import { type PruneOutcome, pruneImages } from '../../operations/local/prune-images.ts'
import type { ListedImage } from '../../ports/engine-catalog.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { type Filter, filters, singleValueOf } from '../options/filters.ts'
import { flag } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { parseUntil } from '../options/until.ts'
import { prunedRecord, prunePlanView, pruneRecord } from '../views/prune.ts'
import { printRemoved } from '../views/removal.ts'

const FILTERS = ['until', 'label', 'label!'] as const

export default defineCommand({
  description: `Deletes images of the engine that have no name and that no container and no other image needs. Shows them,
asks, and deletes exactly those: what changed in between stays.`,
  arguments: {},
  options: {
    all: flag('-a, --all', 'also images with a name, when no container was made from them'),
    filter: filters('only images with', FILTERS),
    yes: flag('-y, --yes', 'do not ask'),
    dryRun: flag('--dry-run', 'only show what would go'),
    ...ENGINE_OPTIONS,
    format: format(),
  },
  examples: [
    'imgctl image prune --dry-run',
    'imgctl image prune --all --filter until=720h --yes',
    "imgctl image prune --filter 'label!=keep' --yes --format json",
  ],
  async run({ options }, context) {
    const { streams, signal } = context
    const { stdout, stderr } = streams
    const engine = await context.engine(engineChoice(options))
    const plan = await planPrune(engine, query(options), signal)
    if (plan.length === 0) stderr.write('No images to delete\n')
    if (options.dryRun)
      return printRecords(stdout, plan.map(prunedRecord), prunePlanView(Date.now()), options)
    if (plan.length > 0 && !options.yes && !(await isConfirmed(plan, context))) {
      stderr.write('Nothing was deleted\n')
      return
    }
    const isTable = options.format.kind === 'table'
    const show = (outcome: PruneOutcome) => {
      if (isTable) printRemoved(streams, outcome.image.tags[0] ?? outcome.image.id, outcome)
    }
    const { outcomes, reclaimedBytes } = await pruneImages(engine, plan, show, signal)
    if (isTable) stdout.write(`Total reclaimed space: ${humanBytes(reclaimedBytes)}\n`)
    else
      await printRecords(
        stdout,
        pruneRecord(outcomes, reclaimedBytes),
        { columns: [], id: () => '' },
        options,
      )
    assertComplete(outcomes)
  },
})

interface PruneOptions {
  readonly all: boolean
  readonly filter: readonly Filter<(typeof FILTERS)[number]>[]
}

function query({ all, filter }: PruneOptions): PruneQuery {
  const until = singleValueOf(filter, 'until')
  return {
    named: all,
    before: until === undefined ? undefined : parseUntil(until, Date.now()),
    labels: filter.flatMap(labelCondition),
  }
}

function labelCondition({ key, value }: PruneOptions['filter'][number]): LabelCondition[] {
  if (key === 'until') return []
  const equals = value.indexOf('=')
  const negated = key === 'label!'
  if (equals < 0) return [{ key: value, value: undefined, negated }]
  return [{ key: value.slice(0, equals), value: value.slice(equals + 1), negated }]
}

async function isConfirmed(
  plan: readonly ListedImage[],
  { streams, flags, confirm }: CommandContext,
): Promise<boolean> {
  if (flags.input && streams.interactive) {
    const view = prunePlanView(Date.now())
    await printRecords(streams.stderr, plan.map(prunedRecord), view, { format: { kind: 'table' } })
  }
  return confirm(plan.length === 1 ? 'Delete this image?' : `Delete these ${plan.length} images?`, '--yes')
}

/** @throws ImgctlError PARTIAL_FAILURE */
function assertComplete(outcomes: readonly PruneOutcome[]): void {
  const failed = outcomes.filter(({ error }) => error !== undefined)
  if (failed.length === 0) return
  throw new ImgctlError('PARTIAL_FAILURE', `${failed.length} of ${outcomes.length} images were not deleted`, {
    context: failed.map(({ image, error }) => `${image.tags[0] ?? image.id}: ${error!.message}`),
    hint: 'look at them again: imgctl image prune --dry-run',
  })
}
