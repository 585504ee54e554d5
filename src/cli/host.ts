import type { Streams } from '../terminal/streams.ts'

/** What a run is given by the process around it. */
export interface Host {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly runtime: { readonly node: string; readonly platform: string }
  readonly streams: Streams
  /** Aborts with an ImgctlError INTERRUPTED, TERMINATED or OUTPUT_CLOSED as its reason. */
  readonly signal: AbortSignal
  /** How long the command may take to stop after that. */
  readonly allowStop: (milliseconds: number) => void
  /** What SIGHUP does from now on; without it, it ends the run as it ends every program. */
  readonly onHangup: (action: () => void) => void
}
