import { ImgctlError } from '../../errors/error.ts'
import { type PlannedRemoval, planRemoval } from '../../operations/local/plan-removal.ts'
import { type RemovalOutcome, removePlanned } from '../../operations/local/remove-planned.ts'
import type { Engine } from '../../ports/engine.ts'
import type { Format } from '../../terminal/format.ts'
import { printRecords } from '../../terminal/records.ts'
import type { CommandContext } from '../context.ts'
import { printRemoved, REMOVAL_PLAN, removedRecord } from '../views/removal.ts'

export interface DeleteLocalOptions {
  readonly yes: boolean
  readonly dryRun: boolean
  readonly format: Format
}

type DeleteLocalContext = Pick<CommandContext, 'streams' | 'signal' | 'flags' | 'confirm'>

/** `image delete --local`: what `docker image rm` does, and never more than was named without asking. */
export async function deleteLocal(
  engine: Engine,
  images: readonly string[],
  { yes, dryRun, format }: DeleteLocalOptions,
  context: DeleteLocalContext,
): Promise<void> {
  const { streams, signal } = context
  const plan = await planRemoval(engine, images, signal)
  if (dryRun) return printRecords(streams.stdout, plan, REMOVAL_PLAN, { format })
  if (!yes && !(await isAgreed(plan, context))) {
    streams.stderr.write('Nothing was deleted\n')
    return
  }
  const outcomes: { readonly planned: PlannedRemoval; readonly outcome: RemovalOutcome }[] = []
  for (const planned of plan) {
    const { id, names, isWhole } = planned
    const outcome = await removePlanned(engine, { id, names, isWhole, parents: true }, signal)
    outcomes.push({ planned, outcome })
    if (format.kind === 'table') printRemoved(streams, planned.targets.join(', '), outcome)
  }
  if (format.kind !== 'table') {
    const records = outcomes.map(({ planned, outcome }) => removedRecord(planned.id, outcome))
    await printRecords(streams.stdout, records, { columns: [], id: ({ id }) => id }, { format })
  }
  const failed = outcomes.filter(({ outcome }) => outcome.error !== undefined)
  if (failed.length === 0) return
  if (outcomes.length === 1) throw failed[0]!.outcome.error!
  throw new ImgctlError('PARTIAL_FAILURE', `${failed.length} of ${outcomes.length} images were not deleted`, {
    context: failed.map(({ planned, outcome }) => `${planned.targets.join(', ')}: ${outcome.error!.message}`),
    hint: 'look at them again: imgctl image list --local',
  })
}

/** Nobody is asked about exactly what they named. */
async function isAgreed(
  plan: readonly PlannedRemoval[],
  { streams, flags, confirm }: DeleteLocalContext,
): Promise<boolean> {
  const unasked = plan.flatMap((planned) => planned.unasked)
  if (unasked.length === 0) return true
  const more = plan.filter((planned) => planned.unasked.length > 0)
  if (flags.input && streams.interactive) {
    await printRecords(streams.stderr, more, REMOVAL_PLAN, { format: { kind: 'table' } })
  }
  return confirm(`Delete also ${unasked.join(', ')}?`, '--yes')
}
