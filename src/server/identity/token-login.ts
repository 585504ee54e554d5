/** Who an access token speaks for. */
export interface TokenLogin {
  readonly userId: string
  /** The login behind it, at this server's own issuer. */
  readonly grantId: string | null
}

export interface AccessTokens {
  /** Undefined when it is not a token for this server of its issuer, or has ended. */
  verify(token: string): Promise<TokenLogin | undefined>
}
