import { createHash, randomBytes } from 'node:crypto'

/** The part of keytar's interface that is used. */
export interface Keytar {
  getPassword(service: string, account: string): Promise<string | null>
  setPassword(service: string, account: string, password: string): Promise<void>
  deletePassword(service: string, account: string): Promise<boolean>
}

/** The service that every entry of imgctl's has. */
export const SERVICE = 'imgctl'

/**
 * Windows keeps 2,560 bytes in an entry (CRED_MAX_CREDENTIAL_BLOB_SIZE), as UTF-16; a little less is used, because
 * the limit counts a terminator in some versions.
 */
export const WINDOWS_ENTRY_CHARACTERS = 1_200

/** More parts than any token needs: what says more is broken. */
const MAX_PARTS = 64
/** What an entry holds when the secret is in others: how many, their name, and a check of the whole. */
const HEADER = /^imgctl-parts:(\d+):([0-9a-f]{16}):([0-9a-f]{64})$/

/**
 * A secret in one entry, or over several where one is too small. The parts are written first under new names and
 * the entry that points to them last, so that a reader finds the old secret or the new one.
 *
 * @param limit characters that one entry takes
 */
export async function writeSecret(
  keytar: Keytar,
  account: string,
  secret: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<void> {
  const before = await partsOf(keytar, account)
  if (secret.length <= limit && !HEADER.test(secret)) await keytar.setPassword(SERVICE, account, secret)
  else await writeParts(keytar, account, secret, Math.min(limit, secret.length))
  await removeParts(keytar, before)
}

/** @returns undefined when there is none, or when a part of it is missing */
export async function readSecret(keytar: Keytar, account: string): Promise<string | undefined> {
  const text = await keytar.getPassword(SERVICE, account)
  const header = parseHeader(account, text)
  if (header === undefined) return text ?? undefined
  const parts = await Promise.all(header.names.map((name) => keytar.getPassword(SERVICE, name)))
  const secret = parts.join('')
  return sha256(secret) === header.hash ? secret : undefined
}

/** @returns whether there was one */
export async function removeSecret(keytar: Keytar, account: string): Promise<boolean> {
  const parts = await partsOf(keytar, account)
  const removed = await keytar.deletePassword(SERVICE, account)
  await removeParts(keytar, parts)
  return removed
}

async function writeParts(keytar: Keytar, account: string, secret: string, size: number): Promise<void> {
  const parts = secret.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
  const id = randomBytes(8).toString('hex')
  for (const [index, name] of partNames(account, id, parts.length).entries()) {
    await keytar.setPassword(SERVICE, name, parts[index]!)
  }
  await keytar.setPassword(SERVICE, account, `imgctl-parts:${parts.length}:${id}:${sha256(secret)}`)
}

async function partsOf(keytar: Keytar, account: string): Promise<readonly string[]> {
  return parseHeader(account, await keytar.getPassword(SERVICE, account))?.names ?? []
}

async function removeParts(keytar: Keytar, names: readonly string[]): Promise<void> {
  for (const name of names) await keytar.deletePassword(SERVICE, name)
}

function parseHeader(account: string, text: string | null) {
  const [, count, id, hash] = HEADER.exec(text ?? '') ?? []
  if (count === undefined || id === undefined || Number(count) > MAX_PARTS) return undefined
  return { names: partNames(account, id, Number(count)), hash }
}

function partNames(account: string, id: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${account}#${id}.${index + 1}`)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
