import { ImgctlError } from '../../errors/error.ts'
import { familiarName, familiarReference, parseReference } from '../../oci/reference.ts'

/**
 * Docker's `reference=` filter: a shell pattern (`*` and `?` stop at a slash, `[a-z]`) for a whole name as docker
 * prints it, with its tag or without. https://pkg.go.dev/path#Match
 *
 * @returns whether a name with a tag or digest matches any of the patterns; all names when there is none
 * @throws ImgctlError USAGE for a pattern with an open bracket
 */
export function referenceMatcher(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => true
  const expressions = patterns.map(toExpression)
  return (name) => {
    const reference = parseReference(name)
    const forms = [familiarReference(reference), familiarName(reference)]
    return expressions.some((expression) => forms.some((form) => expression.test(form)))
  }
}

const TOKEN = /\\(.)|\[(\^?)((?:\\.|[^\]\\])+)\]|([*?])|([^*?[\\])/gsy

function toExpression(pattern: string): RegExp {
  let source = ''
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < pattern.length) {
    const match = TOKEN.exec(pattern)
    if (match === null) {
      throw new ImgctlError('USAGE', `${JSON.stringify(pattern)} is not a pattern: a bracket stays open`, {
        hint: "patterns look like this: 'team/app:1.*'",
      })
    }
    const [, escaped, negated, set, wildcard, plain] = match
    if (set !== undefined) source += `[${negated}${set.replace(/[[\]^]/g, '\\$&')}]`
    else if (wildcard !== undefined) source += wildcard === '*' ? '[^/]*' : '[^/]'
    else source += (escaped ?? plain!).replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
  }
  return new RegExp(`^${source}$`, 's')
}
