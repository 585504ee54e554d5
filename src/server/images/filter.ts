import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely'
import { IMAGE_STATES, type ListImagesQuery, MAX_LABELS } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { Database } from '../store/schema.ts'
import { type Label, parseLabel } from './labels.ts'

/** As many as an image has labels. Each is a part of the SQL, whose depth and number of values have limits. */
const MAX_LIST = MAX_LABELS

type Builder = ExpressionBuilder<Database, 'images'>
type Condition = ExpressionWrapper<Database, 'images', SqlBool>

/** The labels that a list query asks for; an image must have all. @throws ImgctlError BAD_REQUEST */
export function queriedLabels(query: ListImagesQuery): Label[] {
  return splitList(query.label).map(parseLabel)
}

/** The conditions of a list query but for its labels; all must hold. @throws ImgctlError BAD_REQUEST */
export function imageFilter(query: ListImagesQuery): (eb: Builder) => Condition {
  return (eb) =>
    eb.and([
      ...(query.name ? [sql<SqlBool>`name LIKE ${toLikePattern(query.name)} ESCAPE '\\'`] : []),
      ...(query.state ? [eb('state', 'in', parseStates(query.state))] : []),
      ...(query.visibility ? [eb('visibility', '=', query.visibility as 'private' | 'public')] : []),
    ])
}

/** A glob as a LIKE pattern: `*` any text, `?` one character; without either the text may stand anywhere. */
export function toLikePattern(glob: string): string {
  const escaped = glob.replace(/[\\%_]/g, '\\$&')
  if (!/[*?]/.test(escaped)) return `%${escaped}%`
  return escaped.replaceAll('*', '%').replaceAll('?', '_')
}

function parseStates(text: string): string[] {
  const states = splitList(text)
  const unknown = states.find((state) => !(IMAGE_STATES as readonly string[]).includes(state))
  if (unknown === undefined) return states
  throw new ImgctlError('BAD_REQUEST', `${JSON.stringify(unknown)} is not a state of an image`, {
    hint: `the states are ${IMAGE_STATES.join(', ')}`,
  })
}

function splitList(text: string | undefined): string[] {
  const parts = (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (parts.length <= MAX_LIST) return parts
  throw new ImgctlError('BAD_REQUEST', `a list in the query has at most ${MAX_LIST} entries`)
}
