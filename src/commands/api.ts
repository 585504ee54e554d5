import { text as readAll } from 'node:stream/consumers'
import { ImgctlError } from '../errors/error.ts'
import { defineCommand } from './command.ts'
import { required, text } from './options/kinds.ts'

const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

export default defineCommand({
  description: "Sends one request to the server's API with the key in use, and prints the answer's body.",
  arguments: {
    method: required('<method>', 'GET, POST, PUT, PATCH or DELETE', METHODS),
    path: required('<path>', 'a path under /api: /images?limit=5'),
  },
  options: { data: text('-d, --data <json>', 'the body; - reads it from stdin') },
  examples: [
    'imgctl api GET /users/me',
    `imgctl api PATCH /images/app:1.0 --data '{"labels":{"team":"web"}}'`,
  ],
  async run({ args, options }, { streams, server, signal }) {
    const method = args.method.toUpperCase()
    if (!METHODS.includes(method))
      throw new ImgctlError('USAGE', `the method is one of ${METHODS.join(', ')}`)
    const body = options.data === '-' ? await readAll(streams.stdin) : options.data
    if (body !== undefined) assertJson(body)
    const path = `/${args.path.replace(/^\/*(?:api\/)?/, '')}`
    const answer = await (await server()).request(method, path, body, signal)
    if (answer.body !== '')
      streams.stdout.write(answer.body.endsWith('\n') ? answer.body : `${answer.body}\n`)
  },
})

function assertJson(body: string): void {
  try {
    JSON.parse(body)
  } catch (cause) {
    throw new ImgctlError('USAGE', 'the body is not JSON', { cause })
  }
}
