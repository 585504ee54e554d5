import { defineCommand } from '../command.ts'
import { host } from '../options/engine.ts'
import { required } from '../options/kinds.ts'

export default defineCommand({
  description:
    "Gives an image of the engine one more name. A name that is another image's moves to this one.",
  arguments: {
    source: required('<source>', 'name, digest or id'),
    target: required('<target>', 'the new name; its tag is latest when there is none'),
  },
  options: { host },
  examples: [
    'imgctl image tag app:1.0 registry.example/team/app:1.0',
    'imgctl image tag 7ab27dbbfbdf app:1.0',
  ],
  async run({ args, options }, { engine, signal }) {
    await (await engine(options.host)).nameImage(args.source, args.target, signal)
  },
})
