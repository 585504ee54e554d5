import { ImgctlError } from '../../errors/error.ts'
import { type SaveTarget, saveImages } from '../../operations/save/save-images.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { Output } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { assertNoEngine, ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { choice, flag, several, text } from '../options/kinds.ts'
import { progress } from '../options/output.ts'
import { platform } from '../options/platform.ts'
import { saveView } from '../views/save-progress.ts'

export default defineCommand({
  description: [
    'Saves images in one archive: those of the local engine, or with --remote those of the server, which needs no engine.',
    'Without options the bytes are those of docker save.',
    'A file appears whole or not at all.',
  ].join(' '),
  arguments: { images: several('<image...>', 'names or ids; with --remote names on the server') },
  options: {
    output: text('-o, --output <file>', 'write to this file instead of stdout'),
    format: choice('--format <form>', 'docker: what every engine loads; oci: an OCI layout', [
      'docker',
      'oci',
    ]),
    compress: choice('--compress <how>', 'compress the archive, on all cores', ['gzip', 'zstd']),
    platform: platform('only this platform of images that have several'),
    remote: flag('--remote', 'images on the server, without an engine'),
    forceStdout: flag(
      '--force-stdout',
      'on Windows, write to stdout all the same: for a pipe that carries bytes as they are',
    ),
    ...ENGINE_OPTIONS,
    progress,
  },
  examples: [
    'imgctl image save app:1.0 nginx:1.27 -o images.tar',
    'imgctl image save app:1.0 --compress zstd -o app.tar.zst',
    'imgctl image save app:1.0 | ssh host docker load',
    'imgctl image save --remote team/app:1.0 --format oci -o app-oci.tar',
  ],
  async run({ args, options }, context) {
    const { runtime, streams, signal } = context
    const { output, format, compress, platform, remote } = options
    if (remote) assertNoEngine(options, 'remote')
    const target = saveTarget(output, streams.stdout, !options.forceStdout && isWindows(runtime))
    const shown = createProgress(options.progress, streams)
    try {
      const { bytes } = await saveImages(
        {
          engine: () => context.engine(engineChoice(options)),
          remote: async () => ({
            server: await context.server(),
            session: context.session,
            openRepository: await context.openRepository(),
          }),
        },
        {
          images: args.images,
          remote,
          ...(format ? { format } : {}),
          ...(compress ? { compress } : {}),
          ...(platform ? { platform } : {}),
        },
        target,
        saveView(shown, output ?? 'stdout'),
        signal,
      )
      shown.event({ event: 'saved', path: output ?? null, bytes })
      if (output !== undefined)
        shown.success(`Saved ${args.images.join(', ')} to ${output} (${humanBytes(bytes)})`)
    } finally {
      shown.finish()
    }
  },
})

function isWindows({ platform }: CommandContext['runtime']): boolean {
  return platform.startsWith('win32')
}

/**
 * @param isRewritten whether what is written to stdout may arrive as something else: PowerShell before 7.4 reads a
 *   pipe as text, and `>` writes it as UTF-16 (https://github.com/docker/for-win/issues/660)
 * @throws ImgctlError USAGE rather than an archive that is broken, or on a terminal
 */
function saveTarget(output: string | undefined, stdout: Output, isRewritten: boolean): SaveTarget {
  if (output !== undefined) return { path: output }
  if (isRewritten) {
    throw new ImgctlError('USAGE', 'Windows shells change an archive that goes through stdout', {
      hint: 'write it to a file: -o FILE; or say that yours does not: --force-stdout',
    })
  }
  if (!stdout.isTTY) return { stream: stdout.raw }
  throw new ImgctlError('USAGE', 'an archive is not written to a terminal', {
    hint: 'write it to a file: -o FILE, or into a pipe',
  })
}
