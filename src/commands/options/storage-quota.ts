import type { OptionDefinition } from '../command.ts'
import { size } from './kinds.ts'

/** A petabyte: more is a slip of the finger. */
const BOUNDS = { min: 1, max: 1024 ** 5 }
const EACH_ONCE = 'each blob counted once: 500G'

/** Of every organization that has none of its own. */
export const storageQuota = size(
  '--storage-quota <size>',
  `what one organization may store, ${EACH_ONCE}`,
  BOUNDS,
)

const ofOne = size('--quota <size>', `what it may store, ${EACH_ONCE}`, BOUNDS)

/** Of one organization; `default`: that of all. Not called as the one of `serve`, which would take it for its own. */
export const ownStorageQuota: OptionDefinition<number | 'default' | undefined> = {
  ...ofOne,
  description: `${ofOne.description}; or default, which imgctl serve --storage-quota sets`,
  parse: (text) => (text === 'default' ? text : ofOne.parse!(text, undefined)),
}
