import { ImgctlError } from '../../errors/error.ts'
import { isRecord } from '../../internal/is-record.ts'
import type { RegistryCredentials } from '../../ports/registry-credentials.ts'

/**
 * What an entry of `auths` says: `identitytoken`, `auth` (base64 of `user:password`), or `username` and `password`.
 * https://github.com/docker/cli/blob/master/cli/config/configfile/file.go (decodeAuth)
 *
 * @param file named in errors, which never quote the entry
 * @returns undefined for an entry without a secret: docker leaves `{}` where a helper keeps it
 * @throws ImgctlError FILE_UNREADABLE
 */
export function readAuthEntry(entry: unknown, file: string, host: string): RegistryCredentials | undefined {
  if (!isRecord(entry)) return undefined
  const { identitytoken, auth, username, password } = entry
  if (isText(identitytoken)) return { identityToken: identitytoken }
  if (isText(auth)) return decodeAuth(auth) ?? malformed(file, host)
  return isText(username) && isText(password) ? { username, password } : undefined
}

/** Everything after the first colon is the password. Some clients padded it with zero bytes. */
function decodeAuth(auth: string): RegistryCredentials | undefined {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(auth)) return undefined
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) return undefined
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') }
}

function malformed(file: string, host: string): never {
  throw new ImgctlError(
    'FILE_UNREADABLE',
    `${file}: what it has for ${host} is not base64 of user:password`,
    {
      hint: `write it anew: docker login ${host}`,
    },
  )
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
