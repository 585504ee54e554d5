import { type Digest, isDigest } from '../../oci/digest.ts'
import { PATH_COMPONENT } from '../../oci/reference.ts'
import { RegistryError } from './registry-error.ts'

export type TargetKind = 'manifest' | 'blob' | 'uploads' | 'upload' | 'tags' | 'referrers'

/** What a URL below /v2/ names. */
export interface Target {
  readonly kind: TargetKind
  readonly repository: RepositoryName
  /** The tag or digest, the digest, or the upload's id; empty for `uploads` and `tags`. */
  readonly reference: string
}

/** `<organization>/<path>`. */
export interface RepositoryName {
  readonly full: string
  readonly slug: string
  /** Without the organization; may hold slashes. */
  readonly path: string
}

/** distribution/reference: NameTotalLengthMax. */
const MAX_NAME_LENGTH = 255

/** Names may hold words like `blobs`: what decides is the end. */
const FORMS: readonly { readonly kind: TargetKind; readonly form: RegExp }[] = [
  { kind: 'manifest', form: /^(.+)\/manifests\/([^/]+)$/ },
  { kind: 'uploads', form: /^(.+)\/blobs\/uploads()\/?$/ },
  { kind: 'upload', form: /^(.+)\/blobs\/uploads\/([^/]+)$/ },
  { kind: 'blob', form: /^(.+)\/blobs\/([^/]+)$/ },
  { kind: 'tags', form: /^(.+)\/tags\/list()$/ },
  { kind: 'referrers', form: /^(.+)\/referrers\/([^/]+)$/ },
]

/**
 * @param path of the URL after `/v2/`, decoded
 * @returns undefined when it has no form of the protocol
 * @throws RegistryError NAME_INVALID
 */
export function parseTarget(path: string): Target | undefined {
  for (const { kind, form } of FORMS) {
    const match = form.exec(path)
    if (match) return { kind, repository: parseRepositoryName(match[1]!), reference: match[2]! }
  }
  return undefined
}

/** @throws RegistryError NAME_INVALID */
export function parseRepositoryName(full: string): RepositoryName {
  const components = full.split('/')
  if (full.length > MAX_NAME_LENGTH || !components.every((component) => PATH_COMPONENT.test(component))) {
    throw new RegistryError(400, 'NAME_INVALID', 'invalid repository name', { detail: { name: full } })
  }
  const [slug, ...path] = components
  if (path.length === 0) {
    const message = 'a repository of this registry has its organization before it: ORGANIZATION/NAME'
    throw new RegistryError(404, 'NAME_UNKNOWN', message, { detail: { name: full } })
  }
  return { full, slug: slug!, path: path.join('/') }
}

/** Undefined for a name that no repository here can have. */
export function tryRepositoryName(full: string): RepositoryName | undefined {
  try {
    return parseRepositoryName(full)
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

/** @throws RegistryError DIGEST_INVALID, also for an algorithm other than sha256 and sha512 */
export function requireDigest(text: string | undefined): Digest {
  if (text !== undefined && isDigest(text)) return text
  throw new RegistryError(
    400,
    'DIGEST_INVALID',
    'a digest is sha256:<64 hex digits> or sha512:<128 hex digits>',
    {
      ...(text === undefined ? {} : { detail: { digest: text } }),
    },
  )
}
