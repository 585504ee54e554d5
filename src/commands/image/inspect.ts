import type { Image } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { Platform } from '../../oci/platform.ts'
import { describeArchive } from '../../operations/describe-archive.ts'
import { describeLocal } from '../../operations/describe-local.ts'
import { parseImageArgument } from '../../operations/image-argument.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EngineCatalog } from '../../ports/engine-catalog.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { assertNoEngine, ENGINE_OPTIONS, type EngineOptionValues, engineChoice } from '../options/engine.ts'
import { flag, several, text } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { platform } from '../options/platform.ts'
import { assertUnset } from '../options/unset.ts'
import { DESCRIBED } from '../views/described-image.ts'
import { imageRecord, imageView } from '../views/image-record.ts'

export default defineCommand({
  description: [
    "Shows all about images: those of the engine in the engine's own words, as docker image inspect does;",
    'those of an archive or an oci:DIR layout, without an engine; with --remote what the server knows.',
  ].join(' '),
  arguments: { images: several('<image...>', 'IMAGE, ARCHIVE or oci:DIR; with --remote names or ids') },
  options: {
    remote: flag('--remote', 'images on the server'),
    image: text('--image <name>', 'only this image of an archive: a name, an id, or @0, @1 ...'),
    platform: platform('which one of an image for several platforms'),
    ...ENGINE_OPTIONS,
    format: format('json'),
  },
  examples: [
    'imgctl image inspect app:1.0',
    "imgctl image inspect ./app.tar --format '{{json .Config.Entrypoint}}'",
    "imgctl image inspect --remote app:1.0 --format '{{.State}} {{json .Reason}}'",
  ],
  async run({ args, options }, context) {
    const { streams } = context
    if (options.remote) {
      assertNoEngine(options, 'remote')
      assertUnset(
        options,
        { image: '--image', platform: '--platform' },
        'is for images that are here, not --remote',
      )
      return printRecords(
        streams.stdout,
        await remoteImages(args.images, context),
        imageView(Date.now()),
        options,
      )
    }
    if (args.images.every((name) => parseImageArgument(name).kind === 'archive'))
      assertNoEngine(options, 'archive')
    const described = await describeAll(args.images, options, context)
    await printRecords(streams.stdout, described, DESCRIBED, options)
  },
})

async function remoteImages(names: readonly string[], { server, signal }: CommandContext) {
  const api = await server()
  const images: Image[] = []
  for (const name of names) images.push(await api.image(name, signal))
  return images.map(imageRecord)
}

interface DescribeOptions extends EngineOptionValues {
  readonly image: string | undefined
  readonly platform: Platform | undefined
}

async function describeAll(
  names: readonly string[],
  { image, platform, ...engines }: DescribeOptions,
  { engine, signal }: CommandContext,
): Promise<Readonly<Record<string, unknown>>[]> {
  let opened: (EngineCatalog & EngineImages) | undefined
  const described: Readonly<Record<string, unknown>>[] = []
  for (const name of names) {
    const argument = parseImageArgument(name)
    if (argument.kind === 'archive') {
      described.push(...(await describeArchive(argument.path, image, platform, signal)))
      continue
    }
    if (image !== undefined) throw new ImgctlError('USAGE', '--image chooses an image of an archive')
    opened ??= await engine(engineChoice(engines))
    described.push(await describeLocal(opened, argument.reference, platform, signal))
  }
  return described
}
