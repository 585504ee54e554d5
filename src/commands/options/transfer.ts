import { ImgctlError } from '../../errors/error.ts'
import type { Via } from '../../operations/push/push-facts.ts'
import type { TransferTuning } from '../../ports/registry.ts'
import { choice, integer, size } from './kinds.ts'

const MIB = 1024 * 1024
/** The smallest body limit that proxies are found with: nothing is gained by less. */
const MIN_CHUNK = MIB
const MAX_CHUNK = 1024 * MIB
const MIN_RATE = 1024
const MAX_RATE = 100 * 1024 * MIB

/** How blobs are sent, for commands that send some. */
export const TRANSFER_OPTIONS = {
  compression: choice(
    '--compression <kind>',
    'what layers become that are not compressed yet; zstd is quicker and smaller, Docker before 23 cannot read it (default: gzip)',
    ['gzip', 'zstd'],
  ),
  concurrency: integer(
    '--concurrency <n>',
    'layers under way at once, three of them compressed (default: 3)',
    { min: 1, max: 16 },
  ),
  limitRate: size('--limit-rate <rate>', 'bytes per second of all uploads together: 500k, 2M', {
    min: MIN_RATE,
    max: MAX_RATE,
  }),
  retries: integer('--retries <n>', 'tries after the first, for each request and each chunk (default: 4)', {
    min: 0,
    max: 100,
  }),
  chunkSize: size('--chunk-size <size>', 'send blobs in parts of this size, for proxies that limit bodies', {
    min: MIN_CHUNK,
    max: MAX_CHUNK,
  }),
}

/** @throws ImgctlError USAGE */
export function transferChoice({ via = 'auto', compression }: TransferChoice) {
  if (via === 'engine' && compression === 'zstd') {
    throw new ImgctlError('USAGE', 'an engine compresses with gzip, and --compression is zstd', {
      hint: 'leave --via out, or say --via direct',
    })
  }
  return { via, ...(compression === undefined ? {} : { compression }) }
}

interface TransferChoice {
  readonly via: Via | undefined
  readonly compression: 'gzip' | 'zstd' | undefined
}

export function transferTuning(options: {
  readonly limitRate: number | undefined
  readonly retries: number | undefined
  readonly chunkSize: number | undefined
}): TransferTuning {
  const { limitRate: bytesPerSecond, retries, chunkSize: chunkBytes } = options
  return { bytesPerSecond, retries, chunkBytes }
}
