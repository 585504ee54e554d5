import { ImgctlError } from '../../errors/error.ts'
import {
  type DeleteOutcome,
  deletePlanned,
  type PlannedDelete,
  planDelete,
} from '../../operations/delete-images.ts'
import type { Format } from '../../terminal/format.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import { printRecords } from '../../terminal/records.ts'
import { type Streams, textLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { ENGINE_FLAGS, ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { flag, several } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { assertUnset } from '../options/unset.ts'
import { deleteLocal } from '../shared/delete-local.ts'
import { deletedRecord, PLAN_VIEW, planRecord } from '../views/delete-plan.ts'

export default defineCommand({
  description: `Deletes images on the server. Shows what will go, asks, and deletes exactly that: an image that was pushed
again in between stays. Content that another name shares stays too.

With --local images of the engine: a name is taken away, and the image goes with its last one. Nothing is forced; it is
asked only when names would go that were not given.`,
  arguments: { images: several('[image...]', 'names or ids') },
  options: {
    local: flag('--local', 'images of the engine'),
    all: flag('-a, --all', 'every image of the organization'),
    yes: flag('-y, --yes', 'do not ask'),
    dryRun: flag('--dry-run', 'only show what would go'),
    ...ENGINE_OPTIONS,
    format: format(),
  },
  examples: [
    'imgctl image delete app:1.0',
    'imgctl image delete app:1.0 app:1.1 --dry-run',
    'imgctl image delete --all --yes --format json',
    'imgctl image rm --local app:1.0 7ab27dbbfbdf',
  ],
  async run({ args, options }, context) {
    const { streams, signal } = context
    const { stdout, stderr } = streams
    if (options.local) {
      assertUnset(options, { all: '--all' }, 'deletes images of the server: imgctl image prune --all')
      return deleteLocal(await context.engine(engineChoice(options)), named(args.images), options, context)
    }
    assertUnset(options, ENGINE_FLAGS, 'goes with --local')
    const api = await context.server()
    const { images, skipped } = await planDelete(api, targets(args.images, options.all), signal)
    if (skipped.length > 0) stderr.write(textLine(`Not deleted: ${skipped.join(', ')}`))
    if (images.length === 0) stderr.write('No images to delete\n')
    if (options.dryRun || images.length === 0) {
      return printRecords(stdout, images.map(planRecord), PLAN_VIEW, options)
    }
    if (!options.yes && !(await isConfirmed(context, images))) {
      stderr.write('Nothing was deleted\n')
      return
    }
    const outcomes: DeleteOutcome[] = []
    for await (const outcome of deletePlanned(api, images, signal)) {
      outcomes.push(outcome)
      if (options.format.kind === 'table') printOutcome(streams, outcome)
    }
    await finish(streams, outcomes, options.format)
  },
})

function targets(images: readonly string[], all: boolean): readonly string[] | 'all' {
  if (!all) return named(images)
  if (images.length === 0) return 'all'
  throw new ImgctlError('USAGE', '--all and names exclude each other', { hint: NAME_THEM })
}

function named(images: readonly string[]): readonly string[] {
  if (images.length > 0) return images
  throw new ImgctlError('USAGE', 'which images?', { hint: NAME_THEM })
}

const NAME_THEM = 'imgctl image delete NAME..., or --all'

async function isConfirmed(context: CommandContext, images: readonly PlannedDelete[]): Promise<boolean> {
  const question =
    images.length === 1 ? `Delete image ${images[0]!.name}?` : `Delete ${images.length} images?`
  const isAnswerable = context.flags.input && context.streams.interactive
  if (isAnswerable) {
    await printRecords(context.streams.stderr, images.map(planRecord), PLAN_VIEW, {
      format: { kind: 'table' },
    })
  }
  return context.confirm(question, '--yes')
}

function printOutcome({ stdout, stderr }: Streams, { planned, freedBytes, error }: DeleteOutcome): void {
  if (error === undefined) {
    const freed = freedBytes > 0 && stdout.isTTY ? ` (${humanBytes(freedBytes)} freed)` : ''
    stdout.write(textLine(`Image ${planned.name} deleted${freed}`))
  } else {
    stderr.write(textLine(`Failed to delete image ${planned.name}: ${error.message}`))
  }
}

/** @throws the one image's error, or PARTIAL_FAILURE when several were to go and not all did */
async function finish(
  { stdout }: Streams,
  outcomes: readonly DeleteOutcome[],
  format: Format,
): Promise<void> {
  if (format.kind !== 'table') {
    await printRecords(stdout, outcomes.map(deletedRecord), { columns: [], id: ({ id }) => id }, { format })
  }
  const failed = outcomes.filter(({ error }) => error !== undefined)
  if (failed.length === 0) return
  if (outcomes.length === 1) throw failed[0]!.error!
  throw new ImgctlError('PARTIAL_FAILURE', `${failed.length} of ${outcomes.length} images were not deleted`, {
    context: failed.map(({ planned, error }) => `${planned.name}: ${error!.message} (${error!.code})`),
    hint: 'look at them again: imgctl image list',
  })
}
