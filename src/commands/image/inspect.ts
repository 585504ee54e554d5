import type { Image } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { flag, several } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { imageRecord, imageView } from '../views/image-record.ts'

export default defineCommand({
  description: 'Shows all that the server knows of images.',
  arguments: { images: several('<image...>', 'names or ids') },
  options: { remote: flag('--remote', 'images on the server'), format: format('json') },
  examples: [
    'imgctl image inspect --remote app:1.0',
    "imgctl image inspect --remote app:1.0 --format '{{.State}} {{json .Reason}}'",
  ],
  async run({ args, options }, { streams, server, signal }) {
    if (!options.remote) {
      throw new ImgctlError('UNSUPPORTED', 'images of the local engine cannot be inspected yet', {
        hint: `on the server: imgctl image inspect --remote ${args.images.join(' ')}`,
      })
    }
    const api = await server()
    const images: Image[] = []
    for (const image of args.images) images.push(await api.image(image, signal))
    await printRecords(streams.stdout, images.map(imageRecord), imageView(Date.now()), options)
  },
})
