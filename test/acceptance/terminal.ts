import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { spawn } from '@lydell/node-pty'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')
/** Far more than a prompt takes on a loaded machine. */
const WAIT_MS = 30_000

export interface TerminalRun {
  /** All that the terminal received so far, escapes included. */
  readonly screen: () => string
  /** Resolves once the text, without escapes, has been shown. */
  readonly shows: (text: string) => Promise<void>
  readonly type: (keys: string) => void
  readonly exitCode: Promise<number>
}

/** Runs the built program in a pseudo-terminal, as a person does. */
export function inTerminal(args: readonly string[], env: Readonly<Record<string, string>>): TerminalRun {
  const { PATH = '' } = process.env
  const pty = spawn(process.execPath, [PROGRAM, ...args], {
    cols: 100,
    rows: 30,
    env: {
      ...{ PATH, TERM: 'xterm-256color', IMGCTL_CREDENTIAL_STORE: 'file', NODE_DISABLE_COMPILE_CACHE: '1' },
      ...env,
    },
  })
  let text = ''
  let ended = false
  pty.onData((data) => {
    text += data
  })
  const exitCode = new Promise<number>((resolve) => {
    pty.onExit((end) => {
      ended = true
      resolve(end.exitCode)
    })
  })
  const plain = () => stripVTControlCharacters(text)
  return {
    screen: () => text,
    type: (keys) => pty.write(keys),
    exitCode,
    shows: async (wanted) => {
      const deadline = Date.now() + WAIT_MS
      while (!plain().includes(wanted)) {
        if (ended || Date.now() > deadline) throw new Error(`${wanted} was not shown in: ${plain()}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  }
}
