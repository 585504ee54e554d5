import { text } from './kinds.ts'

/** On every command that works on a server's data folder. */
export const data = text('--data <dir>', 'the data folder (default: $XDG_DATA_HOME/imgctl/server)')
