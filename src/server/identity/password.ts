import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * scrypt's cost: 32 MiB and three passes, one of the equally strong choices of OWASP's Password Storage Cheat
 * Sheet. More memory would let a few logins at once crowd out the uploads.
 */
const COST = { N: 2 ** 15, r: 8, p: 3 } as const
/** Node refuses what needs more; scrypt needs 128 * N * r bytes and a little. */
const MAX_MEMORY = 64 * 1024 ** 2
const SALT_BYTES = 16
const KEY_BYTES = 32
/** How many passwords are worked on at once: the thread pool serves files too. */
const MAX_AT_ONCE = 2
const FORMAT = /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([\w-]+)\$([\w-]+)$/

const derive: (
  password: string,
  salt: Uint8Array,
  length: number,
  options: ScryptOptions,
) => Promise<Buffer> = promisify(scrypt)

/** What is stored of a password: `scrypt$N$r$p$salt$key`, with a salt of its own. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await deriveKey(password, salt, COST)
  return `scrypt$${COST.N}$${COST.r}$${COST.p}$${salt.toString('base64url')}$${key.toString('base64url')}`
}

/** Whether `password` is the one that `hash` was made of. Null, for who has none, takes as long and is false. */
export async function verifyPassword(password: string, hash: string | null): Promise<boolean> {
  const match = FORMAT.exec(hash ?? '')
  if (!match) {
    await deriveKey(password, Buffer.alloc(SALT_BYTES), COST)
    return false
  }
  const [N, r, p] = match.slice(1, 4).map(Number) as [number, number, number]
  const expected = Buffer.from(match[5]!, 'base64url')
  const key = await deriveKey(password, Buffer.from(match[4]!, 'base64url'), { N, r, p })
  return key.length === expected.length && timingSafeEqual(key, expected)
}

let running = 0
const waiting: (() => void)[] = []

/** The same password typed on different systems may be composed differently: NIST SP 800-63B, 3.1.1.2. */
async function deriveKey(
  password: string,
  salt: Uint8Array,
  cost: typeof COST | ScryptOptions,
): Promise<Buffer> {
  if (running >= MAX_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve))
  else running++
  try {
    return await derive(password.normalize('NFKC'), salt, KEY_BYTES, { ...cost, maxmem: MAX_MEMORY })
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}
