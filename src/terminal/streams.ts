import type { Readable, Writable } from 'node:stream'
import { createStyle, type Environment, isCI, type Style, usesColor } from './color.ts'

/** Assumed where a stream does not know its width. */
const DEFAULT_COLUMNS = 80

/** stdout or stderr: text goes out through `write`, bytes through `raw`. */
export interface Output {
  readonly raw: Writable
  readonly isTTY: boolean
  /** The width now; it changes when a window is resized. */
  readonly columns: number
  /** Colours when this stream shows them, plain text when not. */
  readonly style: Style
  write(text: string): void
}

/** The process's streams, and what the person at their other end can do. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** The result. */
  readonly stdout: Output
  /** The conversation. */
  readonly stderr: Output
  /** A person sees stderr and can answer on stdin, and this is not CI. */
  readonly interactive: boolean
  /** stderr is a terminal whose lines may be painted over. */
  readonly paintable: boolean
  /** Registers what brings the terminal back (a hidden cursor); the answer unregisters it. */
  onRestore(action: () => void): () => void
  /** Runs what was registered: also on the way out after a signal. Never throws. */
  restore(): void
}

type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export function createStreams(
  stdio: { readonly stdin: Streams['stdin']; readonly stdout: Terminal; readonly stderr: Terminal },
  environment: Environment,
): Streams {
  const stdout = createOutput(stdio.stdout, environment)
  const stderr = createOutput(stdio.stderr, environment)
  const restores = new Set<() => void>()
  const person = stderr.isTTY && !isCI(environment)
  return {
    stdin: stdio.stdin,
    stdout,
    stderr,
    interactive: person && stdio.stdin.isTTY === true,
    paintable: person && environment['TERM'] !== 'dumb',
    onRestore(action) {
      restores.add(action)
      return () => restores.delete(action)
    },
    restore() {
      for (const action of restores) action()
      restores.clear()
    },
  }
}

function createOutput(stream: Terminal, environment: Environment): Output {
  const isTTY = stream.isTTY === true
  let style: Style | undefined
  return {
    raw: stream,
    isTTY,
    get columns() {
      return stream.columns || DEFAULT_COLUMNS
    },
    get style() {
      style ??= createStyle(usesColor(environment, isTTY))
      return style
    },
    write: (text) => void stream.write(text),
  }
}
