import { familiarName, parseReference, referenceError } from './reference.ts'

/** A name that is to be given to an image, in the two parts that engines take. */
export interface GivenName {
  /** In docker's short form. */
  readonly repository: string
  /** `latest` when none was written. */
  readonly tag: string
}

/** @throws ImgctlError NAME_INVALID, also with a digest: that follows from the content */
export function parseGivenName(text: string): GivenName {
  const reference = parseReference(text)
  if (reference.digest !== undefined) {
    const rule = 'a name that you give has a tag, not a digest'
    throw referenceError(text, { rule, position: text.indexOf('@') })
  }
  return { repository: familiarName(reference), tag: reference.tag ?? 'latest' }
}
