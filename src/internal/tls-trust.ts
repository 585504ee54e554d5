import { readFileSync } from 'node:fs'
import { ImgctlError } from '../errors/error.ts'
import { hasSystemCode } from './system-code.ts'

/** Whom to believe at the other end of a TLS connection. */
export interface TlsTrust {
  /** PEM certificates of authorities, beside those that Node trusts. */
  readonly caFile?: string | undefined
  /** Believes everybody. */
  readonly insecure?: boolean | undefined
}

/**
 * What Node's TLS is to be given for that.
 *
 * @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE, USAGE when the file holds no certificate
 */
export function tlsOptions(
  { caFile, insecure }: TlsTrust,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly ca?: string[]; readonly rejectUnauthorized?: boolean } {
  return {
    ...(caFile === undefined ? {} : { ca: [...defaultAuthorities(environment), readAuthorities(caFile)] }),
    ...(insecure ? { rejectUnauthorized: false } : {}),
  }
}

/** `ca` takes the place of Node's own list, which has to be given too. */
function defaultAuthorities(environment: Readonly<Record<string, string | undefined>>): string[] {
  // Loaded by those who need it: TLS takes as long to load as Node to start.
  const tls = process.getBuiltinModule('node:tls')
  // Since Node 22.15, and with NODE_EXTRA_CA_CERTS in it.
  if (typeof tls.getCACertificates === 'function') return tls.getCACertificates('default')
  const extra = environment['NODE_EXTRA_CA_CERTS']
  return [...tls.rootCertificates, ...(extra ? [readAuthorities(extra)] : [])]
}

function readAuthorities(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const isMissing = hasSystemCode(cause, 'ENOENT')
    throw new ImgctlError(
      isMissing ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE',
      `${file}: ${isMissing ? 'there is no such file' : 'it cannot be read'}`,
      { cause },
    )
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new ImgctlError('USAGE', `${file} holds no certificate`, {
    hint: "an authority's certificate as PEM begins with -----BEGIN CERTIFICATE-----",
  })
}
