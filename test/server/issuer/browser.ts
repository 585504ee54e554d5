/** What a browser does with pages that have no script: cookies by path, redirects, forms. */
export interface Visit {
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
}

export class Browser {
  readonly #cookies = new Map<string, Cookie>()
  readonly #proxy: { readonly from: string; readonly to: string } | undefined

  readonly #headers: Readonly<Record<string, string>>

  /**
   * @param proxy reaches the server, whose public URL is `from`, at `to`
   * @param headers what it adds
   */
  constructor(
    proxy?: { readonly from: string; readonly to: string },
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.#proxy = proxy
    this.#headers = headers
  }

  /** Follows redirects on the same origin; one that leads elsewhere is answered as it is. */
  get(url: string): Promise<Visit> {
    return this.#go('GET', url)
  }

  /** Sends the fields of the page's form, with `fields` over them. Without an action it goes to the page itself. */
  submit(page: Visit, fields: Readonly<Record<string, string>>): Promise<Visit> {
    const form = /<form[^>]*>/.exec(page.text)?.[0]
    if (!form) throw new Error(`no form on ${page.url}:\n${page.text}`)
    const action = /action="([^"]*)"/.exec(form)?.[1] ?? page.url
    return this.post(new URL(action, page.url).href, { ...hiddenFields(page), ...fields })
  }

  post(url: string, fields: Readonly<Record<string, string>>): Promise<Visit> {
    return this.#go('POST', url, new URLSearchParams(fields))
  }

  cookieNames(): string[] {
    return [...this.#cookies.values()].map(({ name }) => name)
  }

  async #go(method: string, url: string, body?: URLSearchParams): Promise<Visit> {
    const { from, to } = this.#proxy ?? { from: url, to: url }
    const response = await fetch(url.replace(from, to), {
      method,
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: this.#cookiesFor(url), ...this.#headers },
      ...(body ? { body } : {}),
    })
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie)
    const location = response.headers.get('location')
    if (location !== null) {
      const next = new URL(location, url)
      await response.body?.cancel()
      if (next.origin === new URL(url).origin) return this.#go('GET', next.href)
      return { url: next.href, status: response.status, headers: response.headers, text: '' }
    }
    return { url, status: response.status, headers: response.headers, text: await response.text() }
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
    const at = pair.indexOf('=')
    const path = attributes.find((each) => each.toLowerCase().startsWith('path='))?.slice(5) ?? '/'
    const name = pair.slice(0, at)
    const gone = attributes.some((each) => /^(?:expires=Thu, 01 Jan 1970|max-age=0)/i.test(each))
    // RFC 6265, section 5.3: the same name at another path is another cookie.
    const key = `${name} ${path}`
    if (gone) this.#cookies.delete(key)
    else this.#cookies.set(key, { name, value: pair.slice(at + 1), path })
  }

  #cookiesFor(url: string): string {
    const { pathname } = new URL(url)
    const matching = [...this.#cookies.values()].filter(({ path }) => pathname.startsWith(path))
    return matching.map(({ name, value }) => `${name}=${value}`).join('; ')
  }
}

function hiddenFields({ text }: Visit): Record<string, string> {
  const inputs = text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)
  return Object.fromEntries([...inputs].map(([, name, value]) => [name!, value!]))
}
