import { type FoundSecret, findSecrets } from '../../operations/history/find-secrets.ts'
import { imageHistory } from '../../operations/history/image-history.ts'
import { parseImageArgument } from '../../operations/image-argument.ts'
import { printRecords } from '../../terminal/records.ts'
import { type Output, warningLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { assertNoEngine, ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { flag, required, text } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { platform } from '../options/platform.ts'
import { dockerRecord, historyRecord, historyView } from '../views/history.ts'

export default defineCommand({
  description: [
    'Shows how an image was made, the newest step first: an image of the local engine, of an archive or an oci:DIR layout without an engine, or with --remote of the server.',
    'Values that look like secrets are warned of on stderr.',
  ].join(' '),
  arguments: { source: required('<image>', 'IMAGE, ARCHIVE or oci:DIR; with --remote a name on the server') },
  options: {
    noTrunc: flag('--no-trunc', 'whole ids and instructions'),
    quiet: flag('-q, --quiet', "print ids only, as docker does: a step without an image is '<missing>'"),
    human: { ...flag('-H, --human', 'ages and short sizes; the default'), absent: true },
    exact: { ...flag('--no-human', 'times and bytes'), absent: true },
    format: format(),
    remote: flag('--remote', 'an image on the server, without an engine'),
    image: text(
      '--image <name>',
      'which image of an archive that holds several: a name, an id, or @0, @1 ...',
    ),
    platform: platform('which one of an image for several platforms'),
    ...ENGINE_OPTIONS,
  },
  examples: [
    'imgctl image history app:1.0',
    'imgctl image history app:1.0 --no-trunc --no-human',
    'imgctl image history ./app.tar --format json',
    'imgctl image history --remote team/app:1.0',
    "imgctl image history app:1.0 --format '{{.ID}} {{.CreatedSince}} {{.CreatedBy}}'",
  ],
  async run({ args, options }, context) {
    const { streams, signal } = context
    const { remote, image, platform, format, quiet, human } = options
    if (remote) assertNoEngine(options, 'remote')
    else if (parseImageArgument(args.source).kind === 'archive') assertNoEngine(options, 'archive')
    const whole = options.noTrunc
    const steps = await imageHistory(
      {
        engine: () => context.engine(engineChoice(options)),
        remote: async () => ({
          server: await context.server(),
          session: context.session,
          openRepository: await context.openRepository(),
        }),
      },
      { source: args.source, remote, ...(image ? { image } : {}), ...(platform ? { platform } : {}) },
      signal,
    )
    const shown = { whole, human, now: Date.now() }
    const records = steps.map(historyRecord)
    const view = historyView(shown)
    const output = streams.stdout
    if (format.kind !== 'template' || quiet) await printRecords(output, records, view, { format, quiet })
    else {
      const rows = records.map((record) => dockerRecord(record, shown))
      await printRecords(output, rows, { columns: [], id: ({ ID }) => ID }, { format })
    }
    warnOfSecrets(streams.stderr, findSecrets(steps))
  },
})

const SECRETS_HINT =
  'whoever has the image can read them: replace them, and give secrets to builds with RUN --mount=type=secret'

function warnOfSecrets(output: Output, found: readonly FoundSecret[]): void {
  for (const { step, what } of found) {
    output.write(warningLine(output, `step ${step}: ${what} looks like a secret`))
  }
  if (found.length === 0) return
  output.write(`${output.style.cyan('hint:')} ${SECRETS_HINT}\n`)
}
