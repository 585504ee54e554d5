/** A time as a person reads it, to the minute: `2026-05-01 12:30 UTC`. */
export function minuteText(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`
}
