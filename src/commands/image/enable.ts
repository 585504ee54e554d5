import { defineCommand } from '../command.ts'
import { required } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { printChangedImage } from '../views/changed-image.ts'

export default defineCommand({
  arguments: { image: required('<image>', 'a name or id') },
  options: { format: format() },
  examples: ['imgctl image enable app:1.0'],
  async run({ args, options }, { streams, server, signal }) {
    const image = await (await server()).toggleImage(args.image, true, signal)
    await printChangedImage(streams.stdout, image, 'enabled', options.format)
  },
})
