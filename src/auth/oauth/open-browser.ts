import open from 'open'
import { systemCode } from '../../internal/system-code.ts'

/** A browser that fails to start says so within this time; one that runs is left alone. */
const FAILURE_WITHIN_MS = 1_500

/**
 * Opens a page in the user's browser.
 *
 * @returns why no browser was opened; undefined when one was, as far as can be told
 */
export async function openBrowser(url: string): Promise<string | undefined> {
  try {
    const opener = await open(url)
    const code = await Promise.race([
      new Promise<number | null>((resolve) => opener.once('exit', resolve)),
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), FAILURE_WITHIN_MS).unref()),
    ])
    return code ? `the browser could not be opened (exit code ${code})` : undefined
  } catch (error) {
    const code = systemCode(error) ?? 'unknown'
    return code === 'ENOENT' ? 'no browser was found' : `the browser could not be opened (${code})`
  }
}
