export type ProgressMode = 'auto' | 'tty' | 'plain' | 'json' | 'none'

/** What `--progress json` writes, one object per line. Amounts are bytes. */
export type ProgressEvent =
  | { readonly event: 'phase'; readonly phase: string; readonly total?: number }
  | {
      readonly event: 'item'
      readonly id: string
      readonly label: string
      readonly done: number
      readonly total?: number
      readonly status?: string
    }
  | {
      readonly event: 'progress'
      readonly done: number
      readonly total?: number
      readonly bytesPerSecond: number
      readonly etaSeconds?: number
    }
  | { readonly event: 'step'; readonly id: string; readonly label: string; readonly status: string }
  | { readonly event: 'message'; readonly text: string }

/** Shows long work on stderr. Knows no domain word: phases, items with amounts in bytes, and lines of text. */
export interface Progress {
  /** Work of another kind begins: `compress`, `upload`. Items of the phase before are forgotten. */
  phase(name: string, options?: { readonly total?: number }): void
  /** An item's state now; the same `id` again replaces it. Cheap: call it for every chunk. */
  item(id: string, label: string, done: number, total?: number, status?: string): void
  /** A part whose amount nobody knows. It runs until its `status` says how it ended. */
  step(id: string, label: string, status?: string): void
  /** A line that stays. In JSON a `message`. */
  line(text: string): void
  /** A line that stays and says that something came out well: marked for people. */
  success(text: string): void
  /** An object of the caller's own kind, for JSON only. */
  event(json: Readonly<Record<string, unknown>>): void
  /** Takes what was painted off the screen and gives the cursor back. Safe to call twice, needed on failure too. */
  finish(): void
}
