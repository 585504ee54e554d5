import type Provider from 'oidc-provider'
import type { ServerContext } from '../context.ts'
import { type IssuerFacts, issuerOf } from '../identity/issuer.ts'
import { SigningKeyRing, type SigningKeys } from '../identity/signing-keys.ts'

/** The running issuer: made when it is first needed, and made again when its keys changed. */
export class Issuer {
  readonly ctx: ServerContext
  readonly #ring: SigningKeyRing
  #keys: SigningKeys | undefined
  #provider: Provider | undefined

  constructor(ctx: ServerContext) {
    this.ctx = ctx
    this.#ring = new SigningKeyRing(ctx)
  }

  /** Undefined as long as it is not known how browsers reach the server. */
  get facts(): IssuerFacts | undefined {
    return issuerOf(this.ctx)
  }

  /** The library is loaded by the first login: a server that nobody logs in to starts without it. */
  async provider(facts: IssuerFacts): Promise<Provider> {
    const [{ createProvider }, keys] = await Promise.all([import('./provider.ts'), this.#ring.current()])
    if (!this.#provider || keys !== this.#keys) {
      this.#provider = createProvider(this.ctx, facts, keys)
      this.#keys = keys
    }
    return this.#provider
  }
}
