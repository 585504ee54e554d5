import {
  familiarName,
  familiarReference,
  parseReference,
  type Reference,
  referenceError,
  tryParseReference,
} from '../oci/reference.ts'

/** What engines take for an id: the start of its hex digits, or all of it with the algorithm. */
const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{1,64}$/

/**
 * A reference or an id as it may stand in a request's path.
 *
 * @throws ImgctlError NAME_INVALID for anything else: it could address another part of the engine's API
 */
export function engineName(text: string): string {
  if (IMAGE_ID.test(text)) return text
  parseReference(text)
  return text
}

/** A reference split as the tag and push calls take it. @throws ImgctlError NAME_INVALID, also without a tag */
export function splitTarget(target: string): { readonly repository: string; readonly tag: string } {
  const reference = parseReference(target)
  const { tag, digest } = reference
  if (tag === undefined || digest !== undefined) {
    throw referenceError(target, { rule: 'a tag is needed, and no digest', position: target.length })
  }
  return { repository: familiarName(reference), tag }
}

/** A name from the engine in docker's short form (Podman writes `docker.io/library/`); undefined for `<none>`. */
export function familiarTag(name: string): string | undefined {
  const reference = taggedReference(name)
  return reference && familiarReference(reference)
}

/** @returns undefined for what is no reference with a tag: `<none>:<none>` */
export function taggedReference(name: string): Reference | undefined {
  const parsed = tryParseReference(name)
  return 'rule' in parsed || parsed.tag === undefined ? undefined : parsed
}
