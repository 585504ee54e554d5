import { defineCommand } from '../command.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { required } from '../options/kinds.ts'

export default defineCommand({
  description:
    "Gives an image of the engine one more name. A name that is another image's moves to this one.",
  arguments: {
    source: required('<source>', 'name, digest or id'),
    target: required('<target>', 'the new name; its tag is latest when there is none'),
  },
  options: ENGINE_OPTIONS,
  examples: [
    'imgctl image tag app:1.0 registry.example/team/app:1.0',
    'imgctl image tag 7ab27dbbfbdf app:1.0',
  ],
  async run({ args, options }, { engine, signal }) {
    await (await engine(engineChoice(options))).nameImage(args.source, args.target, signal)
  },
})
