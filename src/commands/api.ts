import { text as readAll } from 'node:stream/consumers'
import { ImgctlError } from '../errors/error.ts'
import { allPages } from '../operations/api/all-pages.ts'
import { readRequestBody } from '../operations/api/request-body.ts'
import { parseRequestHeaders } from '../operations/api/request-headers.ts'
import { requestPath } from '../operations/api/request-path.ts'
import type { RawAnswer, RawRequest } from '../ports/server.ts'
import { writeForeign } from '../terminal/streams.ts'
import { defineCommand } from './command.ts'
import type { CommandContext } from './context.ts'
import { flag, required, text, texts } from './options/kinds.ts'

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const WITHOUT_BODY: readonly string[] = ['GET', 'HEAD']

export default defineCommand({
  description: `Sends one request to the server's API with the key in use, and prints the answer's body as it came: for what
has no command yet. GET /openapi.json lists what there is. An answer that is not 2xx is an error on stderr with the
exit code of its meaning (imgctl help exit-codes); --include prints such an answer too.`,
  arguments: {
    method: required('<method>', 'GET, HEAD, POST, PUT, PATCH or DELETE', METHODS),
    path: required('<path>', 'a path under /api with its query: /images?limit=5'),
  },
  options: {
    data: text('-d, --data <json>', 'the body; @FILE reads it from a file, @- from stdin'),
    header: texts('-H, --header <header>', "one more header, 'If-Match: sha256:...'; may be given again"),
    include: flag('-i, --include', 'print the status line and the headers before the body'),
    quiet: flag('-q, --quiet', 'print nothing; the exit code tells'),
    paginate: flag('--paginate', 'get every page of a list, as one JSON array of its items'),
  },
  examples: [
    'imgctl api GET /users/me',
    `imgctl api PATCH /images/app:1.0 --data '{"labels":{"team":"web"}}'`,
    'imgctl api POST /images --data @image.json --include',
    "imgctl api GET '/images?state=active&limit=200' --paginate",
    'imgctl api GET /openapi.json > openapi.json',
  ],
  async run({ args, options }, context) {
    const request = await toRequest(args, options, context)
    const { streams, server, signal } = context
    const api = await server()
    if (options.paginate) return printPages(allPages(api, request, signal), options, context)
    const answer = await api.request(request, signal)
    if (options.include && !options.quiet) writeForeign(streams.stdout, headOf(answer))
    if ((!answer.failure || options.include) && !options.quiet) {
      writeForeign(streams.stdout, withLineEnd(answer.body))
    }
    if (answer.failure) throw answer.failure
  },
})

interface ApiOptions {
  readonly data: string | undefined
  readonly header: readonly string[]
  readonly include: boolean
  readonly quiet: boolean
  readonly paginate: boolean
}

async function toRequest(
  args: { readonly method: string; readonly path: string },
  { data, header, include, paginate }: ApiOptions,
  { streams, target }: CommandContext,
): Promise<RawRequest> {
  const method = args.method.toUpperCase()
  if (!METHODS.includes(method)) {
    throw new ImgctlError('USAGE', `the method is one of ${METHODS.join(', ')}`)
  }
  if (data !== undefined && WITHOUT_BODY.includes(method)) {
    throw new ImgctlError('USAGE', `${method} has no body`, {
      hint: 'put filters into the query: /images?limit=5',
    })
  }
  if (paginate && (method !== 'GET' || include)) {
    throw new ImgctlError('USAGE', '--paginate is for GET, and without --include')
  }
  return {
    method,
    path: requestPath(args.path, (await target()).server),
    headers: parseRequestHeaders(header),
    ...(data === undefined ? {} : { body: await readRequestBody(data, () => readAll(streams.stdin)) }),
  }
}

/** One array, written page by page: a long list does not have to fit into memory. */
async function printPages(
  pages: AsyncIterable<readonly unknown[]>,
  { quiet }: ApiOptions,
  { streams: { stdout } }: CommandContext,
): Promise<void> {
  let isFirst = true
  for await (const items of pages) {
    for (const item of quiet ? [] : items) {
      writeForeign(stdout, `${isFirst ? '[' : ','}\n${JSON.stringify(item)}`)
      isFirst = false
    }
  }
  if (!quiet) stdout.write(isFirst ? '[]\n' : '\n]\n')
}

function headOf({ status, statusText, headers }: RawAnswer): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  return `${[`HTTP/1.1 ${status} ${statusText}`.trimEnd(), ...lines].join('\n')}\n\n`
}

function withLineEnd(body: string): string {
  return body === '' || body.endsWith('\n') ? body : `${body}\n`
}
