import { ImgctlError } from '../../errors/error.ts'
import { loadImages } from '../../operations/load/load-images.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { printRecords } from '../../terminal/records.ts'
import { type Streams, warningLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { text } from '../options/kinds.ts'
import { format, progress, quiet } from '../options/output.ts'
import { platform } from '../options/platform.ts'
import { loadView } from '../views/load-progress.ts'
import { LOADED, loadedLine, loadedRecord } from '../views/loaded-image.ts'

const LAYOUT_PREFIX = 'oci:'

export default defineCommand({
  description: [
    'Loads the images of an archive into the local engine: a docker-save archive or an OCI layout, plain or compressed with gzip, zstd, xz or bzip2.',
    'Its structure and each of its digests are checked before the engine is given anything.',
  ].join(' '),
  arguments: {},
  options: {
    input: text('-i, --input <file>', "read this archive, or a layout's folder, instead of stdin"),
    platform: platform('only images for this platform'),
    ...ENGINE_OPTIONS,
    format: format(),
    quiet: { ...quiet, description: 'print names (ids of images without one) only, and no progress' },
    progress,
  },
  examples: [
    'imgctl image load -i images.tar',
    'imgctl image load < app.tar.zst',
    'imgctl image load -i oci:./layout --platform linux/amd64',
    "imgctl image load -i images.tar --format '{{.Name}} {{.Id}}'",
  ],
  async run({ options }, context) {
    const { streams, signal } = context
    const { input, platform, format, quiet } = options
    const source = input === undefined ? stdin(streams) : path(input)
    const warnings: string[] = []
    const shown = createProgress(quiet && options.progress === 'auto' ? 'none' : options.progress, streams)
    const show = loadView(shown, input ?? 'stdin')
    try {
      const loaded = await loadImages(
        () => context.engine(engineChoice(options)),
        { source, ...(platform ? { platform } : {}) },
        (event) => (event.type === 'warning' ? warnings.push(event.message) : show(event)),
        signal,
      )
      shown.finish()
      for (const warning of warnings) streams.stderr.write(warningLine(streams.stderr, warning))
      const records = loaded.map(loadedRecord)
      if (format.kind === 'table' && !quiet) {
        for (const record of records) streams.stdout.write(`${loadedLine(record)}\n`)
      } else await printRecords(streams.stdout, records, LOADED, { format, quiet })
    } finally {
      shown.finish()
    }
  },
})

function path(input: string): string {
  return input.startsWith(LAYOUT_PREFIX) ? input.slice(LAYOUT_PREFIX.length) : input
}

/** @throws ImgctlError INPUT_REQUIRED rather than waiting for a person to type an archive */
function stdin({ stdin }: Streams): Streams['stdin'] {
  if (stdin.isTTY !== true) return stdin
  throw new ImgctlError('INPUT_REQUIRED', 'an archive is needed on stdin', {
    hint: 'name a file: imgctl image load -i FILE',
  })
}
