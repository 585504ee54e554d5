import { ImgctlError } from '../errors/error.ts'
import { type Digest, isDigest } from './digest.ts'

/**
 * An image reference, normalized: `domain/path[:tag][@digest]`. Docker's familiar forms are accepted
 * (`app:1` is `docker.io/library/app:1`). Grammar and normalization follow
 * https://github.com/distribution/reference (reference.go, normalize.go).
 */
export interface Reference {
  /** Registry host, with the port when there is one. */
  readonly domain: string
  /** Repository path without the domain, `library/` added for official images. */
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest
}

export const DEFAULT_DOMAIN = 'docker.io'
const OFFICIAL_PREFIX = 'library/'
/** distribution/reference: NameTotalLengthMax. */
const MAX_NAME_LENGTH = 255

const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const DOMAIN = new RegExp(`^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`)
export const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
export const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const IMAGE_ID = /^[0-9a-f]{64}$/

/** Where `text` stops being a reference: what is wrong, at which character, and a form that would be right. */
export interface ReferenceProblem {
  readonly rule: string
  readonly position: number
  readonly suggestion?: string
}

/** @throws ImgctlError NAME_INVALID with a caret under the first bad character, the rule and a corrected form. */
export function parseReference(text: string): Reference {
  const result = tryParseReference(text)
  if ('rule' in result) throw referenceError(text, result)
  return result
}

/** As parseReference, but a problem is returned instead of thrown. */
export function tryParseReference(text: string): Reference | ReferenceProblem {
  if (text === '') return { rule: 'the name is empty', position: 0 }
  const at = text.indexOf('@')
  const named = at < 0 ? text : text.slice(0, at)
  const digest = at < 0 ? undefined : text.slice(at + 1)
  if (digest !== undefined && !isDigest(digest)) {
    return { rule: 'after @ comes a digest, sha256: and 64 hex digits', position: at + 1 }
  }
  const slash = named.lastIndexOf('/')
  const colon = named.indexOf(':', slash + 1)
  const name = colon < 0 ? named : named.slice(0, colon)
  const tag = colon < 0 ? undefined : named.slice(colon + 1)

  const problem = checkName(text, name) ?? (tag === undefined ? undefined : checkTag(text, tag, colon + 1))
  if (problem) return problem
  if (IMAGE_ID.test(name)) return { rule: '64 hex digits are an image id, not a name', position: 0 }
  const { domain, path } = splitDomain(name)
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: digest as Digest }),
  }
}

/** `docker.io/library/app:1@sha256:...`: every part that is known. */
export function formatReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffix(reference)}`
}

/** The form that docker prints: without `docker.io/library/`. */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${suffix(reference)}`
}

/** The familiar form without tag and digest. */
export function familiarName({ domain, path }: Reference): string {
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`
  return path.startsWith(OFFICIAL_PREFIX) ? path.slice(OFFICIAL_PREFIX.length) : path
}

/** The familiar name in a reference: `app` of `docker.io/library/app:1`. @throws ImgctlError NAME_INVALID */
export function repositoryOf(reference: string): string {
  return familiarName(parseReference(reference))
}

export function referenceError(text: string, problem: ReferenceProblem): ImgctlError {
  return new ImgctlError(
    'NAME_INVALID',
    `${JSON.stringify(text)} is not a valid image name: ${problem.rule}`,
    {
      context: [text, `${' '.repeat(Math.min(problem.position, text.length))}^`],
      hint: problem.suggestion
        ? `did you mean '${problem.suggestion}'?`
        : 'a name looks like this: team/app:1.0',
    },
  )
}

/** A valid path component made from any text, or undefined when nothing usable is left. */
export function toPathComponent(text: string): string | undefined {
  const made = text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/[._-]*\.[._-]*/g, '.')
    .replace(/_{3,}/g, '__')
    .replace(/(?:-_|_-)[_-]*/g, '-')
    .replace(/^[._-]+|[._-]+$/g, '')
  return PATH_COMPONENT.test(made) ? made : undefined
}

function suffix({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  if (slash < 0 || !isDomain(first)) {
    return { domain: DEFAULT_DOMAIN, path: slash < 0 ? OFFICIAL_PREFIX + name : name }
  }
  const domain = first === 'index.docker.io' ? DEFAULT_DOMAIN : first
  const rest = name.slice(slash + 1)
  return { domain, path: domain === DEFAULT_DOMAIN && !rest.includes('/') ? OFFICIAL_PREFIX + rest : rest }
}

/** docker's rule for the first component: a host has a dot, a port, capitals, or is `localhost`. */
function isDomain(first: string): boolean {
  return /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
}

function checkName(text: string, name: string): ReferenceProblem | undefined {
  const slash = name.indexOf('/')
  const hasDomain = slash > 0 && isDomain(name.slice(0, slash)) && DOMAIN.test(name.slice(0, slash))
  const pathStart = hasDomain ? slash + 1 : 0
  let position = pathStart
  for (const component of name.slice(pathStart).split('/')) {
    if (!PATH_COMPONENT.test(component)) return componentProblem(text, name, component, position, pathStart)
    position += component.length + 1
  }
  if (name.length > MAX_NAME_LENGTH) {
    return { rule: `a name has at most ${MAX_NAME_LENGTH} characters`, position: MAX_NAME_LENGTH }
  }
  return undefined
}

function componentProblem(
  text: string,
  name: string,
  component: string,
  start: number,
  pathStart: number,
): ReferenceProblem {
  const fixed = name.slice(pathStart).split('/').map(toPathComponent)
  const rest = text.slice(name.length)
  const suggestion = fixed.every((part) => part !== undefined)
    ? { suggestion: name.slice(0, pathStart) + fixed.join('/') + rest.trim() }
    : {}
  if (component === '') return { rule: 'a part between slashes is empty', position: start, ...suggestion }
  const bad = /[^a-z0-9._-]/.exec(component)
  const at = start + (bad?.index ?? firstBadSeparator(component))
  if (bad && /\s/.test(bad[0])) {
    return { rule: 'a name has no spaces (two words: missing quotes?)', position: at, ...suggestion }
  }
  if (bad && /[A-Z]/.test(bad[0])) return { rule: 'a repository is lowercase', position: at, ...suggestion }
  const rule = 'a repository has lowercase letters, digits and single separators . _ - between them'
  return { rule, position: at, ...suggestion }
}

/** The index of the first separator that stands at an edge or beside another; 0 when none does. */
function firstBadSeparator(component: string): number {
  if (/^[._-]/.test(component)) return 0
  const doubled = /\.[._-]|_{3}|_-|_\.|-_|-\./.exec(component)
  return doubled ? doubled.index + doubled[0].length - 1 : component.length - 1
}

function checkTag(text: string, tag: string, start: number): ReferenceProblem | undefined {
  if (tag === '') return { rule: 'the tag after : is empty', position: start }
  if (TAG.test(tag)) return undefined
  const bad = /^[.-]|[^A-Za-z0-9_.-]/.exec(tag)
  const position = start + (bad?.index ?? 128)
  if (bad && /\s/.test(bad[0])) {
    return { rule: 'a tag has no spaces', position, suggestion: text.replace(/\s+/g, '') }
  }
  return { rule: 'a tag has letters, digits, . _ - (not first), at most 128 characters', position }
}
