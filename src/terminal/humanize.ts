const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** `1.23 GB`: decimal units and three digits, as docker counts. */
export function humanBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

/** `850 ms`, `12 s`, `3m 5s`, `2h 10m`. */
export function humanDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 60) return `${seconds} s`
  const [minutes, restSeconds] = [Math.floor(seconds / 60), seconds % 60]
  if (minutes < 60) return restSeconds ? `${minutes}m ${restSeconds}s` : `${minutes}m`
  const [hours, restMinutes] = [Math.floor(minutes / 60), minutes % 60]
  return restMinutes ? `${hours}h ${restMinutes}m` : `${hours}h`
}

const AGES = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const

/**
 * `5 minutes ago`, `1 hour ago`, `< 1 minute ago`. A time in the future (another clock) counts as now.
 * Engines give the year 1, Go's zero time, for an image that tells none: `-`.
 */
export function humanAge(time: string, now: number): string {
  const at = Date.parse(time)
  if (at < 0) return '-'
  const age = now - at
  for (const [unit, length] of AGES) {
    const count = Math.floor(age / length)
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'} ago`
  }
  return '< 1 minute ago'
}
