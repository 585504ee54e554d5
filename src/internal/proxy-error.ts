/** A proxy of the environment. */
export interface NamedProxy {
  /** The variable that names it. */
  readonly variable: string
  /** With the user and password that it may want. */
  readonly url: URL
}

/** A proxy opened no way to a host: the host itself was never reached. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly variable: string
  /** Host and port. */
  readonly host: string
  /** `https:` for a proxy that is itself reached by TLS. */
  readonly protocol: string
  /** What the proxy answered instead of opening a tunnel; undefined when it did not answer, and `cause` tells why. */
  readonly status: number | undefined

  constructor(
    { variable, url }: NamedProxy,
    { status, cause }: { readonly status?: number; readonly cause?: unknown },
  ) {
    super(`no way through the proxy ${url.host}`, cause === undefined ? {} : { cause })
    this.variable = variable
    this.host = url.host
    this.protocol = url.protocol
    this.status = status
  }
}
