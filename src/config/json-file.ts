import { ImgctlError } from '../errors/error.ts'

/**
 * The object in a JSON file; an empty one when the file is not there.
 *
 * @param repair what to do when it holds something else
 * @throws ImgctlError FILE_UNREADABLE naming the file, never quoting it: it may hold secrets
 */
export async function parseJsonFile(
  file: string,
  read: () => Promise<string>,
  { repair = 'repair it, or move it away and run imgctl login again' }: { readonly repair?: string } = {},
): Promise<Readonly<Record<string, unknown>>> {
  let text: string
  try {
    text = await read()
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return {}
    const reason = hasCode(cause, 'EACCES') ? 'permission denied' : 'it cannot be read'
    throw new ImgctlError('FILE_UNREADABLE', `${file}: ${reason}`, { cause })
  }
  const json = tryParse(text)
  if (isRecord(json)) return json
  throw new ImgctlError('FILE_UNREADABLE', `${file} is not a JSON object`, {
    hint: repair,
  })
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
