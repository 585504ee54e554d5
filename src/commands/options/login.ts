import type { OptionDefinition } from '../command.ts'
import { duration, flag, integer, negation, text } from './kinds.ts'

const PORTS = { min: 1, max: 65_535 }

/** The same text as BROWSER_TIMEOUT_MS of operations/login. */
const timeout: OptionDefinition<number | undefined> = {
  ...duration('--timeout <time>', 'how long to wait for the login', '3m'),
  absent: undefined,
  absentText: '3m; with a code as long as that is good',
  parse: (value) => duration('--timeout <time>', '', '3m').parse!(value, 0),
}

export const LOGIN_OPTIONS = {
  device: flag('--device', 'log in with a code, in a browser on any device'),
  web: flag('--web', 'log in with a browser on this machine, whatever speaks against it'),
  browser: negation('--no-browser', 'only print the page to visit'),
  callbackPort: integer('--callback-port <port>', 'the port for the way back from the browser', PORTS),
  timeout,
  apiKey: text('--api-key <key>', 'the key (other users of this machine can see it while the command runs)'),
  apiKeyStdin: flag('--api-key-stdin', 'read the key from stdin'),
} as const

export interface LoginOptionValues {
  readonly device: boolean
  readonly web: boolean
  readonly browser: boolean
  readonly callbackPort: number | undefined
  readonly timeout: number | undefined
  readonly apiKey: string | undefined
  readonly apiKeyStdin: boolean
}
