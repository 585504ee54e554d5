import type { Readable } from 'node:stream'
import { ImgctlError } from '../../errors/error.ts'
import { importImage } from '../../operations/local/import-image.ts'
import { openImportSource } from '../../operations/local/import-source.ts'
import type { Streams } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { changes, message } from '../options/changes.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { optional, required } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { platform } from '../options/platform.ts'
import { printMadeImage } from '../views/made-image.ts'

export default defineCommand({
  description: `Makes an image of one layer from a tar of a file system, plain or compressed, as docker export writes it. What
docker save wrote has images in it already: imgctl image load. The name is given when the image is whole.`,
  arguments: {
    source: required('<source>', 'a file, - for stdin, or a URL that the engine fetches'),
    target: optional('[name]', 'NAME[:TAG] for the image'),
  },
  options: {
    change: changes,
    message,
    platform: platform("what the image is for, when it is not the engine's own platform"),
    ...ENGINE_OPTIONS,
    format: format(),
  },
  examples: [
    'docker export web | imgctl image import - web:flat',
    `imgctl image import ./rootfs.tar.gz app:1.0 --change 'CMD ["/app"]' --message 'from rootfs'`,
  ],
  async run({ args, options }, { engine, streams, signal }) {
    const { change, message, platform, format } = options
    const opened = await engine(engineChoice(options))
    const request = {
      source: await openSource(args.source, streams),
      changes: change,
      ...(args.target === undefined ? {} : { target: args.target }),
      ...(message === undefined ? {} : { message }),
      ...(platform ? { platform } : {}),
    }
    const id = await importImage(opened, request, signal)
    await printMadeImage(streams.stdout, { id, name: args.target ?? null }, format)
  },
})

async function openSource(text: string, { stdin }: Streams): Promise<Readable | URL> {
  if (/^https?:\/\//i.test(text)) return readUrl(text)
  if (text !== '-') return openImportSource(text)
  if (!stdin.isTTY) return openImportSource(stdin)
  throw new ImgctlError('USAGE', 'a tar does not come from a terminal', {
    hint: 'pipe it: docker export web | imgctl image import - web:flat',
  })
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && !url.username && !url.password) return url
  throw new ImgctlError('USAGE', 'the URL is none, or it has a user name or password in it')
}
