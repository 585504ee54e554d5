import { machine } from './results.ts'
import { type Measured, median, ratio } from './side-by-side.ts'

/** Prints the median of each, and its ratio to the first, with the machine and its load. */
export function report(title: string, measured: readonly Measured[]): void {
  console.log(`${title} (${machine().join(' · ')})`)
  for (const entry of measured) {
    const seconds = `${(median(entry.times) / 1000).toFixed(1)} s`.padStart(9)
    console.log(`  ${entry.name.padEnd(34)}${seconds}  ${ratio(entry, measured[0]!).toFixed(2)} x`)
  }
}
