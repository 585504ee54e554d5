const REFUSED = /^Proxy response \((\d{3})\)/

/**
 * What a proxy that opened no tunnel answered, in plain words; undefined when the error is another one. undici says the
 * status in its message only.
 */
export function proxyRefusal(error: unknown): { readonly reason: string; readonly hint: string } | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const status = REFUSED.exec(cause.message)?.[1]
    if (status === undefined) continue
    return {
      reason: `the proxy answered ${status}`,
      hint:
        status === '407'
          ? 'it wants a user and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT'
          : 'check HTTPS_PROXY and HTTP_PROXY; NO_PROXY keeps a host from them',
    }
  }
  return undefined
}
