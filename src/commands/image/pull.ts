import { pullImage } from '../../operations/pull/pull-image.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { required } from '../options/kinds.ts'
import { format, progress, quiet } from '../options/output.ts'
import { platform } from '../options/platform.ts'
import { PULLED, pulledRecord, pullView } from '../views/pull.ts'

export default defineCommand({
  description: `Gets an image into the engine. A name without a registry is a name on the server; with one
(registry.example/app:1.0, docker.io/library/nginx) the image comes from there, with the credentials that docker login
stored for it. The last line on stdout is the image by its digest.`,
  arguments: { image: required('<image>', 'NAME:TAG on the server, or REGISTRY/NAME[:TAG|@DIGEST]') },
  options: {
    platform: platform("the image for this platform instead of the engine's own"),
    ...ENGINE_OPTIONS,
    format: format(),
    quiet: { ...quiet, description: 'print the digest line only' },
    progress,
  },
  examples: [
    'imgctl image pull team/app:1.0',
    'imgctl image pull docker.io/library/nginx:1.27 --platform linux/arm64',
    'imgctl image pull registry.example/app@sha256:4bd9...',
  ],
  async run({ args, options }, context) {
    const { streams, signal } = context
    const { format, quiet } = options
    const shown = createProgress(quiet && options.progress === 'auto' ? 'none' : options.progress, streams)
    try {
      const pulled = await pullImage(
        {
          engine: await context.engine(engineChoice(options)),
          serverUrl: async () => (await context.target()).server,
          session: context.session,
          server: context.server,
          registryCredentials: context.registryCredentials,
          openRepository: context.openRepository,
        },
        { image: args.image, platform: options.platform, plainHttp: context.flags.plainHttp },
        pullView(shown),
        signal,
      )
      shown.line(`Digest: ${pulled.digest}`)
      const status = pulled.isNew ? 'Downloaded newer image for' : 'Image is up to date for'
      shown.line(`Status: ${status} ${pulled.reference}`)
      shown.finish()
      await printRecords(streams.stdout, pulledRecord(pulled), PULLED, { format })
    } finally {
      shown.finish()
    }
  },
})
