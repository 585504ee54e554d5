/** What the keychain's process is asked, as JSON on its stdin: never on its command line, which everybody can read. */
export type KeychainRequest =
  | { readonly operation: 'read' | 'remove'; readonly account: string }
  | { readonly operation: 'write'; readonly account: string; readonly secret: string }

/** What it answers, as JSON on its stdout. */
export type KeychainAnswer =
  | { readonly secret: string | null }
  | { readonly removed: boolean }
  | { readonly written: true }
  | { readonly failure: string }
