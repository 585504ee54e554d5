import { dirname } from 'node:path'
import { ImgctlError } from '../../errors/error.ts'
import { parseImageArgument } from '../../operations/image-argument.ts'
import { type Pushed, pushImage } from '../../operations/push/push-image.ts'
import type { Session } from '../../ports/credentials.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import type { Progress } from '../../terminal/progress.ts'
import { printRecords } from '../../terminal/records.ts'
import { textLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { BUILD_OPTIONS, buildRequest } from '../options/build.ts'
import {
  assertNoEngine,
  ENGINE_OPTIONS_OF_BUILD,
  type EngineOptionValues,
  engineChoice,
} from '../options/engine.ts'
import { entrypoint, labels, name, timeout, wait } from '../options/image.ts'
import { choice, flag, optional, text } from '../options/kinds.ts'
import { format, progress, quiet } from '../options/output.ts'
import { TRANSFER_OPTIONS, transferChoice, transferTuning } from '../options/transfer.ts'
import { assertUnset } from '../options/unset.ts'
import { pushTo } from '../shared/push-to.ts'
import { showsOutput } from '../views/build-progress.ts'
import { pushView } from '../views/push-progress.ts'
import { PLAN, PUSHED, type PushRecord, planRecord, pushRecord } from '../views/push-record.ts'

export default defineCommand({
  description: [
    'Gets an image to the server: from the local engine, or without one from a docker-save archive or an OCI layout.',
    'What starts like a path or ends in .tar, .tar.gz or .tgz is an archive, oci:DIR is a layout, all else is an image of the engine.',
    "That the image runs on the server's platform is checked before anything is sent.",
    'The last line on stdout is the image by the digest that the registry holds.',
    'With --to it goes to any registry, with the credentials that docker login stored; no server takes part.',
  ].join(' '),
  arguments: {
    source: optional('[image]', 'IMAGE, ARCHIVE or oci:DIR; with --dockerfile the name of what is built'),
  },
  options: {
    dockerfile: text(
      '--dockerfile <file>',
      'build this first, and push what comes out; - reads it from stdin',
    ),
    context: text(
      '--context <dir>',
      "the folder to build from (default: the Dockerfile's); without --dockerfile the same as --docker-context",
    ),
    ...BUILD_OPTIONS,
    platform: {
      ...BUILD_OPTIONS.platform,
      description: 'the platform to build for, or the one of an image that has several: linux/amd64',
    },
    name,
    to: text('--to <reference>', 'push to this registry instead: registry.example/team/app:1.0'),
    image: text(
      '--image <name>',
      'which image of an archive that holds several: a name, an id, or @0, @1 ...',
    ),
    entrypoint,
    labels,
    description: text('--description <text>', 'what the image is for'),
    visibility: choice('--visibility <who>', 'who may pull', ['private', 'public']),
    via: choice('--via <transport>', 'who uploads: the engine, or imgctl itself', [
      'auto',
      'engine',
      'direct',
    ]),
    ...ENGINE_OPTIONS_OF_BUILD,
    ...TRANSFER_OPTIONS,
    dryRun: flag('--dry-run', 'show what would be sent and how, and send nothing'),
    wait,
    timeout,
    format: format(),
    quiet: { ...quiet, description: 'print the digest line only' },
    progress,
    digestFile: text('--digest-file <file>', 'write the digest to this file'),
    metadataFile: text(
      '--metadata-file <file>',
      'write name, digest, media type and more to this file, as JSON',
    ),
  },
  examples: [
    'imgctl image push app:1.0',
    'imgctl image push app:latest --name app:$(git rev-parse --short HEAD)',
    'imgctl image push ./app.tar --name team/app:1.0',
    'imgctl image push --dockerfile ./Dockerfile',
    'imgctl image push app:1.0 --dockerfile docker/Dockerfile --context . --build-arg V=1',
    'imgctl image push oci:./layout --name app:1.0 --entrypoint "sleep infinity"',
    'imgctl image push app:1.0 --to registry.example/team/app:1.0',
    'imgctl image push --dockerfile ./Dockerfile --to registry.example/team/app:1.0',
    'imgctl image push app:1.0 --limit-rate 2M --concurrency 1',
    'imgctl image push ./app.tar --compression zstd',
    'digest=$(imgctl image push app:1.0 --quiet)',
  ],
  async run({ args, options }, context) {
    if (args.source === undefined && options.dockerfile === undefined) throw nothingToPush()
    const { streams, signal } = context
    const engines = engineOptions(options)
    if (options.dockerfile === undefined && isArchive(args.source)) assertNoEngine(engines, 'archive')
    const chosen = engineChoice(engines)
    if (options.to !== undefined) {
      assertUnset(options, SERVER_ONLY, 'is for a push to the server, not --to')
      if (options.dockerfile === undefined)
        assertUnset(options, { labels: '--label' }, 'goes with --dockerfile here')
      const what = { source: args.source, to: options.to, ...(await builtFirst(options, context)) }
      return pushTo(what, chosen, options, context)
    }
    const { image, platform, name, dryRun, format, quiet } = options
    let engine: ReturnType<typeof context.engine> | undefined
    const shown = createProgress(quiet && options.progress === 'auto' ? 'none' : options.progress, streams)
    try {
      const { plan, pushed } = await pushImage(
        {
          server: await context.server(),
          openRepository: await context.openRepository(transferTuning(options)),
          engine: () => {
            engine ??= context.engine(chosen)
            return engine
          },
          credentials: context.registryCredentials,
          blobCache: await context.blobCache(),
          uploadJournal: await context.uploadJournal(),
          environment: context.environment,
        },
        {
          source: args.source,
          ...(await builtFirst(options, context)),
          ...(image === undefined ? {} : { image }),
          ...(platform === undefined ? {} : { platform }),
          ...(name === undefined ? {} : { name }),
          ...transferChoice(options),
          ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
          record: record(options),
          waitMs: options.wait ? options.timeout : undefined,
          dryRun,
        },
        pushView(shown, showsOutput(options.progress, streams)),
        signal,
      )
      if (!pushed) {
        shown.finish()
        return await printRecords(streams.stdout, planRecord(plan), PLAN, { format })
      }
      await report(pushed)
    } finally {
      shown.finish()
    }

    async function report(pushed: Pushed): Promise<void> {
      const result = pushRecord(pushed)
      const { digestFile, metadataFile } = options
      if (digestFile) await context.writeFile(digestFile, `${result.digest}\n`)
      if (metadataFile) await context.writeFile(metadataFile, toJson(result))
      if (!quiet) showSuccess(shown, await context.session(), result)
      shown.finish()
      if (format.kind === 'table') streams.stdout.write(textLine(result.pinned))
      else await printRecords(streams.stdout, result, PUSHED, { format })
    }
  },
})

const SERVER_ONLY = {
  ...{ name: '--name', entrypoint: '--entrypoint', description: '--description', visibility: '--visibility' },
} as const

type Options = Parameters<typeof buildRequest>[0] & {
  readonly dockerfile: string | undefined
  readonly context: string | undefined
}

/** What docker takes as the name of a context; a folder's path is none. */
const CONTEXT_NAME = /^[A-Za-z0-9][\w.+-]+$/

/** `--context` is the folder where something is built, and a docker context otherwise. @throws ImgctlError USAGE */
function engineOptions(options: Options & EngineOptionValues): EngineOptionValues {
  const { dockerfile, context } = options
  if (dockerfile !== undefined) return { ...options, context: undefined }
  if (context === undefined || CONTEXT_NAME.test(context)) return options
  throw new ImgctlError('USAGE', '--context is the folder of a build, and nothing is built', {
    hint: 'say what to build: --dockerfile FILE',
  })
}

const BUILD_WORDS = { dockerfile: '--dockerfile FILE', folder: '--context DIR' }

/** What is built before the push, if anything is. @throws ImgctlError USAGE */
async function builtFirst(options: Options, { environment, streams }: CommandContext) {
  const { dockerfile: file, context: folder } = options
  if (file === undefined) return {}
  const root = folder ?? (file === '-' ? '.' : dirname(file))
  return {
    build: { ...(await buildRequest(options, root, file, environment, streams.stdin)), words: BUILD_WORDS },
  }
}

function isArchive(source: string | undefined): boolean {
  return source !== undefined && parseImageArgument(source).kind === 'archive'
}

function nothingToPush(): ImgctlError {
  return new ImgctlError('USAGE', 'there is nothing to push', {
    hint: 'name an image, an archive or oci:DIR, or what to build: --dockerfile FILE',
  })
}

interface RecordOptions {
  readonly entrypoint: readonly string[] | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly description: string | undefined
  readonly visibility: 'private' | 'public' | undefined
}

function record({ entrypoint, labels, description, visibility }: RecordOptions) {
  return {
    ...(entrypoint === undefined ? {} : { entrypoint: [...entrypoint] }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(description === undefined ? {} : { description }),
    ...(visibility === undefined ? {} : { visibility }),
  }
}

function showSuccess(shown: Progress, session: Session, result: PushRecord): void {
  const tag = result.name.slice(result.name.lastIndexOf(':') + 1)
  const where = session.profile ?? new URL(session.server).host
  shown.line(`${tag}: digest: ${result.digest} size: ${result.size}`)
  shown.success(`Successfully pushed ${result.name} to ${where}`)
  if (result.state !== 'active') return
  shown.success(`Use '${result.reference}' to create a new sandbox using this image`)
}

function toJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}
