import { ImgctlError } from '../../errors/error.ts'

/** RFC 9110, sections 5.1 and 5.5. */
const HEADER = /^([!#$%&'*+.^_`|~0-9a-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*$/i
/** What the login and the connection decide. */
const RESERVED = new Set(['authorization', 'host', 'content-length', 'transfer-encoding', 'connection'])

/**
 * `Name: value` each.
 *
 * @throws ImgctlError USAGE; the value is not repeated, it may be a secret
 */
export function parseRequestHeaders(lines: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(lines.map(parseHeader))
}

function parseHeader(line: string): [string, string] {
  const [, name, value] = HEADER.exec(line) ?? []
  if (name === undefined || value === undefined) {
    throw new ImgctlError('USAGE', '--header takes a name and a value', {
      hint: "like 'If-Match: sha256:...'",
    })
  }
  if (RESERVED.has(name.toLowerCase())) {
    throw new ImgctlError('USAGE', `the header ${name} is not for you to set`, {
      hint: 'another key or server is chosen with --profile, or IMGCTL_API_KEY and IMGCTL_SERVER',
    })
  }
  return [name.toLowerCase(), value]
}
