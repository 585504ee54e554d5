/** Times and sizes in docker's own words, for templates that were written for docker. */

const MINUTE = 60
const HOUR = 3600

/**
 * `4 months ago`, `About an hour ago`.
 * https://github.com/docker/go-units/blob/master/duration.go
 */
export function dockerAge(time: string, now: number): string {
  return `${dockerDuration(Math.max(0, now - Date.parse(time)) / 1000)} ago`
}

function dockerDuration(total: number): string {
  const seconds = Math.floor(total)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < MINUTE) return `${seconds} seconds`
  const minutes = Math.floor(total / MINUTE)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.round(total / HOUR)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  const days = hours / 24
  if (days < 14) return `${Math.floor(days)} days`
  if (days < 60) return `${Math.floor(days / 7)} weeks`
  if (days < 730) return `${Math.floor(days / 30)} months`
  return `${Math.floor(Math.floor(total / HOUR) / 24 / 365)} years`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** `7.66MB`: three digits. https://github.com/docker/go-units/blob/master/size.go */
export function dockerSize(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  // Go's %.3g writes 999.9 like this.
  const digits = value >= 999.5 ? '1e+03' : String(Number(value.toPrecision(3)))
  return `${digits}${UNITS[unit]}`
}

/** RFC 3339 in the local time zone. */
export function dockerTime(time: string): string {
  const date = new Date(time)
  const offset = -date.getTimezoneOffset()
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19)
  if (offset === 0) return `${local}Z`
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60]
  return `${local}${offset < 0 ? '-' : '+'}${pad(hours)}:${pad(minutes)}`
}

/** At most `length` characters, the last one `…` when it was cut. */
export function dockerEllipsis(text: string, length: number): string {
  const characters = [...text]
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}

function pad(number: number): string {
  return String(number).padStart(2, '0')
}
