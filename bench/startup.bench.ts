import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { median, ratio, sideBySide } from './side-by-side.ts'

const PROGRAM = join(import.meta.dirname, '../bin/imgctl.js')
const ROUNDS = 21
/** What the goals compare with: a Node that does nothing. */
const BARE = 'bare node'

/** Goals: `--version` <= 1.15 x, `--help` <= 1.30 x the start of bare Node. */
export default async function startup(): Promise<void> {
  if (!existsSync(PROGRAM)) throw new Error('build first: npm run build')
  const node = process.execPath
  const measured = sideBySide(
    [
      { name: BARE, command: node, args: ['-e', '0'] },
      { name: 'imgctl --version', command: node, args: [PROGRAM, '--version'] },
      { name: 'imgctl --help', command: node, args: [PROGRAM, '--help'] },
    ],
    ROUNDS,
  )
  const base = measured[0]!
  console.log(`${process.version}, ${ROUNDS} rounds, medians`)
  for (const entry of measured) {
    const times = `${median(entry.times).toFixed(0)} ms`.padStart(8)
    console.log(`${entry.name.padEnd(18)}${times}  ${ratio(entry, base).toFixed(2)} x`)
  }
}
