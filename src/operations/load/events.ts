/** What a load tells whoever watches it. Sizes are bytes. */
export type LoadEvent =
  | { readonly type: 'phase'; readonly phase: 'read' | 'verify' | 'load'; readonly total?: number }
  | { readonly type: 'bytes'; readonly done: number; readonly total: number | undefined }
  /** Something that the user should know and that is no failure. */
  | { readonly type: 'warning'; readonly message: string }
