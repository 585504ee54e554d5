import { createImage } from '../../operations/create-image.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { printRecords } from '../../terminal/records.ts'
import { textLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { entrypoint, labels, name, timeout, wait } from '../options/image.ts'
import { required } from '../options/kinds.ts'
import { format, progress, quiet } from '../options/output.ts'
import { imageRecord, imageView, showState } from '../views/image-record.ts'

export default defineCommand({
  description: `Makes an image on the server, which fetches it from its registry: a public one, or a private one that the
server has a credential for. A name on the server has a tag, and the tag is not 'latest'.`,
  arguments: {
    image: required('<image>', "the image's reference: debian:12.9, registry.example/team/app:1.0"),
  },
  options: { name, entrypoint, labels, wait, timeout, progress, format: format(), quiet },
  examples: [
    'imgctl image create debian:12.9 --entrypoint "sleep infinity"',
    'imgctl image create registry.example/team/app:latest --name app:1.0',
    'imgctl image create debian:12.9 --no-wait --format json',
  ],
  async run({ args, options }, { streams, server, signal }) {
    const { name, entrypoint, labels, wait, timeout, format, quiet } = options
    const api = await server()
    const progress = createProgress(options.progress, streams)
    const request = {
      reference: args.image,
      name,
      record: {
        ...(entrypoint ? { entrypoint: [...entrypoint] } : {}),
        ...(hasKeys(labels) ? { labels } : {}),
      },
      waitMs: wait ? timeout : undefined,
    }
    try {
      const image = await createImage(api, request, (state) => showState(progress, state), signal)
      if (image.state === 'active') {
        progress.success(`Image ${image.name} successfully created`)
        progress.success(`Use '${image.reference}' to create a new sandbox using this image`)
      }
      progress.finish()
      if (format.kind !== 'table' || quiet) {
        await printRecords(streams.stdout, imageRecord(image), imageView(Date.now()), { format, quiet })
      } else {
        streams.stdout.write(textLine(image.digest ? `${image.name}@${image.digest}` : image.name))
      }
    } finally {
      progress.finish()
    }
  },
})

function hasKeys(record: object): boolean {
  return Object.keys(record).length > 0
}
