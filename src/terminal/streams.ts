import type { Readable, Writable } from 'node:stream'
import { makeVisible } from '../internal/control-characters.ts'
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

/** How to get each stream of the process: asked for once, when it is first used. */
export interface Stdio {
  readonly stdin: () => Streams['stdin']
  readonly stdout: () => Terminal
  readonly stderr: () => Terminal
}

export function createStreams(stdio: Stdio, environment: Environment): Streams {
  const stdout = createOutput(stdio.stdout, environment)
  const stderr = createOutput(stdio.stderr, environment)
  const isPerson = () => stderr.isTTY && !isCI(environment)
  const restores = new Set<() => void>()
  return {
    get stdin() {
      return stdio.stdin()
    },
    stdout,
    stderr,
    get interactive() {
      return isPerson() && stdio.stdin().isTTY === true
    },
    get paintable() {
      return isPerson() && environment['TERM'] !== 'dumb'
    },
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

/** A line of text that may come from outside. */
export function textLine(text: string): string {
  return `${makeVisible(text)}\n`
}

/** Text from outside: whole for a program, and harmless for a terminal. */
export function writeForeign(output: Output, text: string): void {
  output.write(output.isTTY ? makeVisible(text) : text)
}

/** A line that says what came out well. */
export function successLine({ style }: Output, text: string): string {
  return `${style.green('✓')} ${makeVisible(text)}\n`
}

/** A line that says what is no failure and should be known. */
export function warningLine({ style }: Output, text: string): string {
  return `${style.yellow('warning:')} ${makeVisible(text)}\n`
}

function createOutput(open: () => Terminal, environment: Environment): Output {
  let opened: Terminal | undefined
  let style: Style | undefined
  const stream = () => {
    opened ??= open()
    return opened
  }
  return {
    get raw() {
      return stream()
    },
    get isTTY() {
      return stream().isTTY === true
    },
    get columns() {
      return stream().columns || DEFAULT_COLUMNS
    },
    get style() {
      style ??= createStyle(usesColor(environment, stream().isTTY === true))
      return style
    },
    write: (text) => void stream().write(text),
  }
}
