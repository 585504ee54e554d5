import { waitForImage } from '../../operations/wait-image.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { defineCommand } from '../command.ts'
import { timeout, wait } from '../options/image.ts'
import { required } from '../options/kinds.ts'
import { format, progress } from '../options/output.ts'
import { printChangedImage } from '../views/changed-image.ts'
import { showState } from '../views/image-record.ts'

export default defineCommand({
  description: "Lets the server work again on an image that is in state 'error', and waits for the outcome.",
  arguments: { image: required('<image>', 'a name or id') },
  options: { wait, timeout, progress, format: format() },
  examples: ['imgctl image retry app:1.0'],
  async run({ args, options }, { streams, server, signal }) {
    const api = await server()
    const image = await api.retryImage(args.image, signal)
    if (!options.wait) return printChangedImage(streams.stdout, image, 'is tried again', options.format)
    const progress = createProgress(options.progress, streams)
    try {
      const active = await waitForImage(api, image.id, {
        deadlineMs: options.timeout,
        signal,
        onState: (state) => showState(progress, state),
      })
      progress.finish()
      await printChangedImage(streams.stdout, active, 'is active', options.format)
    } finally {
      progress.finish()
    }
  },
})
