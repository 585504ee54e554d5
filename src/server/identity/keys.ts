import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import { ImgctlError } from '../../errors/error.ts'
import { writeFileDurably } from '../../internal/durable-file.ts'
import { VerifiedTokens } from './verified-tokens.ts'

/** What only this server can do: sign its tokens, and read back what it sealed. */
export interface ServerKeys {
  /** A compact JWT of `claims` that expires after `ttlSeconds`. */
  signToken(claims: Record<string, unknown>, ttlSeconds: number): Promise<string>
  /** The claims; undefined when the token is expired, malformed or not this server's. */
  verifyToken(token: string): Promise<Record<string, unknown> | undefined>
  /** Encrypted and authenticated, as text for a database column. */
  seal(text: string): string
  /** @throws ImgctlError INTERNAL when `sealed` was not made with these keys. */
  unseal(sealed: string): string
  /** A tag that only this server can make for `text`, base64url. `purpose` keeps the uses of tags apart. */
  tag(purpose: string, text: string): string
}

/** Private: anyone who has this file can make tokens and read the stored registry passwords. */
export const KEY_FILE = 'keys.json'
const PRIVATE_FILE = 0o600
/** Short signatures that every registry which reads Docker tokens can verify. RFC 7518, section 3.4. */
const ALGORITHM = 'ES256'
/** Tokens are this server's own, for itself. */
const ISSUER = 'imgctl'
/** NIST SP 800-38D, 8.2: the nonce and tag lengths that AES-GCM was made for. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SEALING_KEY_BYTES = 32

interface KeyFile {
  readonly signing: JWK
  /** base64url */
  readonly sealing: string
}

/**
 * The keys in the data folder; made at the first start. The caller holds the folder's lock.
 *
 * @param now the clock that token times are read from, milliseconds since 1970
 * @throws ImgctlError FILE_UNREADABLE when the key file is there and is not one.
 */
export async function openKeys(dataDir: string, now: () => number = Date.now): Promise<ServerKeys> {
  const path = join(dataDir, KEY_FILE)
  const { signing, sealing } = (await readKeyFile(path)) ?? (await createKeyFile(path))
  const privateKey = await importJWK(signing, ALGORITHM)
  const { d: _, ...publicPart } = signing
  const publicKey = await importJWK(publicPart, ALGORITHM)
  const verified = new VerifiedTokens()
  return {
    signToken(claims, ttlSeconds) {
      const issuedAt = Math.floor(now() / 1000)
      return new SignJWT(claims)
        .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
        .setIssuer(ISSUER)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ttlSeconds)
        .sign(privateKey)
    },
    async verifyToken(token) {
      const known = verified.find(token, now())
      if (known) return known
      try {
        const rules = { issuer: ISSUER, algorithms: [ALGORITHM], currentDate: new Date(now()) }
        const { payload: claims } = await jwtVerify(token, publicKey, rules)
        if (claims.exp !== undefined) verified.add(token, { claims, expiresAt: claims.exp })
        return claims
      } catch {
        return undefined
      }
    },
    ...sealer(Buffer.from(sealing, 'base64url')),
  }
}

function sealer(key: Uint8Array): Pick<ServerKeys, 'seal' | 'unseal' | 'tag'> {
  return {
    tag: (purpose, text) => createHmac('sha256', key).update(`${purpose}\0${text}`).digest('base64url'),
    seal(text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), encrypted]).toString('base64url')
    },
    unseal(sealed) {
      const bytes = Buffer.from(sealed, 'base64url')
      const tagEnd = NONCE_BYTES + TAG_BYTES
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        })
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, tagEnd))
        return Buffer.concat([decipher.update(bytes.subarray(tagEnd)), decipher.final()]).toString('utf8')
      } catch (cause) {
        throw new ImgctlError('INTERNAL', 'a stored secret cannot be read with the keys of this server', {
          hint: `restore ${KEY_FILE} from the backup that the database came from, or enter the secret again`,
          cause,
        })
      }
    },
  }
}

async function readKeyFile(path: string): Promise<KeyFile | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
    await chmod(path, PRIVATE_FILE)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ImgctlError('FILE_UNREADABLE', `the server's key file cannot be read: ${path}`, { cause })
  }
  const keys = parseKeyFile(text)
  if (keys) return keys
  throw new ImgctlError('FILE_UNREADABLE', `this is not a key file of an imgctl server: ${path}`, {
    hint: 'restore it from a backup; without it, stored registry passwords cannot be read',
  })
}

function parseKeyFile(text: string): KeyFile | undefined {
  try {
    const { signing, sealing } = JSON.parse(text) as Partial<KeyFile>
    if (signing?.kty !== 'EC' || !signing.d || typeof sealing !== 'string') return undefined
    return Buffer.from(sealing, 'base64url').length === SEALING_KEY_BYTES ? { signing, sealing } : undefined
  } catch {
    return undefined
  }
}

async function createKeyFile(path: string): Promise<KeyFile> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true })
  const keys: KeyFile = {
    signing: await exportJWK(privateKey),
    sealing: randomBytes(SEALING_KEY_BYTES).toString('base64url'),
  }
  await writeFileDurably(path, `${JSON.stringify(keys, null, 2)}\n`, PRIVATE_FILE)
  return keys
}
