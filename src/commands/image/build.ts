import { buildImage } from '../../operations/build/build-image.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { BUILD_OPTIONS, buildRequest } from '../options/build.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { labels } from '../options/image.ts'
import { optional, text, texts } from '../options/kinds.ts'
import { format, progress, quiet } from '../options/output.ts'
import { buildView, showsOutput } from '../views/build-progress.ts'

export default defineCommand({
  description: [
    'Builds an image in the local engine, with BuildKit where the engine has it, from exactly the context that docker',
    'would send. The image id is the last line on stdout.',
  ].join(' '),
  arguments: { context: optional('[context]', 'the folder to build from; this one when absent') },
  options: {
    tag: texts('-t, --tag <name:tag>', 'a name for the image in the engine; may be given again'),
    file: text(
      '-f, --file <dockerfile>',
      "the Dockerfile; - reads it from stdin (default: the context's Dockerfile)",
    ),
    ...BUILD_OPTIONS,
    labels: { ...labels, description: 'a label in the image; may be given again' },
    ...ENGINE_OPTIONS,
    // docker build's -f is the Dockerfile.
    format: { ...format(), flags: '--format <format>' },
    quiet: { ...quiet, description: 'print the image id only' },
    progress,
  },
  examples: [
    'imgctl image build -t app:1.0 .',
    'imgctl image build -t app:1.0 -f docker/Dockerfile --build-arg VERSION=1 .',
    'imgctl image build -t app:1.0 --secret id=npm,src=~/.npmrc --platform linux/amd64 .',
  ],
  async run({ args, options }, context) {
    const { streams, signal, environment } = context
    const { tag: tags, file, format, quiet } = options
    const mode = quiet && options.progress === 'auto' ? 'none' : options.progress
    const shown = createProgress(mode, streams)
    try {
      const { imageId, builder } = await buildImage(
        {
          engine: await context.engine(engineChoice(options)),
          credentials: await context.registryCredentials(),
        },
        {
          ...(await buildRequest(options, args.context ?? '.', file, environment, streams.stdin)),
          tags,
          words: WORDS,
        },
        buildView(shown, showsOutput(mode, streams)),
        signal,
      )
      for (const name of tags) shown.success(`Built ${name}`)
      shown.finish()
      if (format.kind === 'table') streams.stdout.write(`${imageId}\n`)
      else await printRecords(streams.stdout, { id: imageId, tags, builder }, BUILT, { format })
    } finally {
      shown.finish()
    }
  },
})

const WORDS = { dockerfile: '-f FILE', folder: 'the argument: imgctl image build DIR' }
const BUILT = { columns: [], id: ({ id }: { id: string }) => id }
