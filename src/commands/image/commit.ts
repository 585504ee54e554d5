import { defineCommand } from '../command.ts'
import { changes, message } from '../options/changes.ts'
import { ENGINE_OPTIONS, engineChoice } from '../options/engine.ts'
import { flag, negation, optional, required, text } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { printMadeImage } from '../views/made-image.ts'

export default defineCommand({
  description: 'Makes an image of what a container has changed in its files.',
  arguments: {
    container: required('<container>', 'name or id'),
    target: optional('[name]', 'NAME[:TAG] for the image'),
  },
  options: {
    author: text('-a, --author <text>', "the image's author"),
    change: changes,
    message,
    pause: negation('--no-pause', "do not hold the container's processes meanwhile"),
    pauses: flag('-p, --pause', "hold the container's processes meanwhile: the default"),
    ...ENGINE_OPTIONS,
    format: format(),
  },
  examples: [
    'imgctl image commit -m "Add node" base-container node-base',
    `imgctl image commit -c 'CMD node app.js' -m "Add app" app-container sample-app`,
  ],
  async run({ args, options }, { engine, streams, signal }) {
    const { author, change, message, pause, format } = options
    const opened = await engine(engineChoice(options))
    const id = await opened.commitContainer(
      {
        container: args.container,
        pause,
        changes: change,
        ...(args.target === undefined ? {} : { target: args.target }),
        ...(author === undefined ? {} : { author }),
        ...(message === undefined ? {} : { message }),
      },
      signal,
    )
    await printMadeImage(streams.stdout, { id, name: args.target ?? null }, format)
  },
})
