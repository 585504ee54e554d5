import { ImgctlError } from '../errors/error.ts'
import {
  DEFAULT_DOMAIN,
  familiarName,
  familiarReference,
  PATH_COMPONENT,
  type Reference,
  type ReferenceProblem,
  referenceError,
  tryParseReference,
} from './reference.ts'

/**
 * The name of an image on the server: a repository path and a tag, `team/app:1.0`. It has no port and no
 * digest, and its tag is not `latest`: a name means one image, and `latest` promises to move.
 */
export interface ImageName {
  readonly repository: string
  readonly tag: string
}

/** Tags with this prefix carry an upload that has no name yet; they are never images and expire. */
export const STAGING_TAG_PREFIX = '_imgctl-'

/** @throws ImgctlError NAME_INVALID: caret, rule, and a name that would be accepted. */
export function parseImageName(text: string): ImageName {
  const parsed = tryParseReference(text)
  if ('rule' in parsed) throw referenceError(text, parsed)
  const problem = nameProblem(text, parsed)
  if (problem) throw referenceError(text, problem)
  const name = { repository: familiarName(parsed), tag: parsed.tag! }
  assertFixedTag(text, name)
  return name
}

export function formatImageName({ repository, tag }: ImageName): string {
  return `${repository}:${tag}`
}

/**
 * The name an image gets on the server when the user gave none: what docker would print for it, without a
 * registry that a name cannot hold (one with a port, or `localhost`).
 *
 * @throws ImgctlError NAME_INVALID when the reference has no tag or the tag `latest`.
 */
export function defaultImageName(reference: Reference): ImageName {
  const { domain, path, tag } = reference
  const plain = domain !== DEFAULT_DOMAIN && domain.split('.').every((label) => PATH_COMPONENT.test(label))
  const keepsDomain = plain && domain !== 'localhost'
  const named: Reference = { domain: keepsDomain ? domain : DEFAULT_DOMAIN, path, ...(tag ? { tag } : {}) }
  return parseImageName(familiarReference(named))
}

function nameProblem(text: string, reference: Reference): ReferenceProblem | undefined {
  const { digest: _, ...withoutDigest } = reference
  if (reference.digest !== undefined) {
    return {
      rule: 'a name on the server has a tag, not a digest',
      position: text.indexOf('@'),
      suggestion: familiarReference({ ...withoutDigest, tag: reference.tag ?? '1.0' }),
    }
  }
  if (reference.domain.includes(':')) {
    return {
      rule: 'a name on the server has no registry port',
      position: text.indexOf(':'),
      suggestion: `${reference.path}:${reference.tag ?? '1.0'}`,
    }
  }
  const { domain } = reference
  if (domain !== domain.toLowerCase()) {
    return {
      rule: 'a repository is lowercase',
      position: text.search(/[A-Z]/),
      suggestion: familiarReference({ ...reference, domain: domain.toLowerCase() }),
    }
  }
  if (reference.tag === undefined) {
    return { rule: 'a tag is missing', position: text.length, suggestion: `${text}:1.0` }
  }
  return undefined
}

/** `latest` moves, so it cannot name one image. */
function assertFixedTag(text: string, { repository, tag }: ImageName): void {
  if (tag !== 'latest') return
  const message = `${JSON.stringify(text)} cannot name an image on the server: 'latest' moves, a name must not`
  throw new ImgctlError('NAME_INVALID', message, {
    context: [text, `${' '.repeat(text.length - tag.length)}^`],
    hint: `give it a tag of its own: --name ${repository}:$(git rev-parse --short HEAD)`,
  })
}
