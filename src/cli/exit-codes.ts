import { EXIT_CODES, EXIT_MEANINGS } from '../errors/codes.ts'

/** Each exit code with its meaning and the error codes that lead to it. */
export function exitCodeRows(): { exit: number; meaning: string; codes: string[] }[] {
  return [...EXIT_MEANINGS].map(([exit, meaning]) => ({
    exit,
    meaning,
    codes: Object.entries(EXIT_CODES).flatMap(([code, value]) => (value === exit ? [code] : [])),
  }))
}

/** `imgctl help exit-codes`. */
export function exitCodesText(): string {
  const lines = exitCodeRows().flatMap(({ exit, meaning, codes }) => [
    `${String(exit).padStart(4)}  ${meaning}`,
    ...(codes.length > 0 ? [`      ${codes.join(' ')}`] : []),
  ])
  return `Exit codes, and the error codes behind each:\n\n${lines.join('\n')}\n`
}
