/** What a save tells whoever watches it. Sizes are bytes. */
export type SaveEvent =
  | {
      readonly type: 'phase'
      readonly phase: 'prepare' | 'export' | 'download' | 'sync'
      readonly total?: number
    }
  /** Bytes of the archive that were written, before compression. */
  | { readonly type: 'bytes'; readonly done: number; readonly total: number | undefined }
