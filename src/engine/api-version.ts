/** The newest engine API that this adapter was tested with (Docker 28.5). */
export const OUR_API_VERSION = '1.51'

/**
 * The version to speak: the lower of ours and the engine's, but never below what the engine still accepts.
 *
 * @param oldest the engine's minimum; it matters only to an engine that is newer than we are
 */
export function negotiateApiVersion(newest: string, oldest?: string): string {
  const agreed = compareApiVersions(newest, OUR_API_VERSION) < 0 ? newest : OUR_API_VERSION
  return oldest !== undefined && compareApiVersions(agreed, oldest) < 0 ? oldest : agreed
}

/** Negative, 0 or positive, as `a` is older than, the same as, or newer than `b`. Versions are `major.minor`. */
export function compareApiVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number)
  const [majorB = 0, minorB = 0] = b.split('.').map(Number)
  return majorA - majorB || minorA - minorB
}

export function isApiVersion(text: unknown): text is string {
  return typeof text === 'string' && /^\d+\.\d+$/.test(text)
}
