import { request } from 'undici'

/** More redirects than any login has. */
const MAX_REDIRECTS = 20

export interface Page {
  readonly status: number
  readonly url: string
  readonly text: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Visits a page as a browser's address bar does: follows redirects and keeps cookies. */
export async function browse(start: string): Promise<Page> {
  const cookies = new Map<string, string>()
  let url = start
  for (let step = 0; step < MAX_REDIRECTS; step++) {
    const page = await visit(url, cookies)
    const { location } = page.headers
    if (typeof location !== 'string') return page
    url = new URL(location, url).href
  }
  throw new Error(`too many redirects from ${start}`)
}

/** One page, without following where it leads. */
export async function visit(
  url: string,
  cookies = new Map<string, string>(),
  headers: Readonly<Record<string, string>> = {},
): Promise<Page> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const response = await request(url, { headers: { cookie, ...headers }, reset: true })
  for (const line of [response.headers['set-cookie'] ?? []].flat()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (name !== undefined && value !== undefined) cookies.set(name, value)
  }
  const text = await response.body.text()
  return { status: response.statusCode, url, text, headers: response.headers }
}
