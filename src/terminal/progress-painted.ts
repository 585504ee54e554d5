import { makeVisible } from '../internal/control-characters.ts'
import { humanBytes, humanDuration } from './humanize.ts'
import type { Progress } from './progress.ts'
import { type Item, Tally } from './progress-tally.ts'
import { type Streams, successLine } from './streams.ts'

/** Often enough to look alive, seldom enough to cost nothing. */
const FRAME_MS = 100
/** More active items than this scroll the total out of a small window. */
const MAX_ITEMS = 8
const BAR_WIDTH = 20
const LABEL_WIDTH = 24

/** A sign of life where nothing can be counted. */
const SPINNER = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏']

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const CLEAR_BELOW = '\x1b[0J'

/** The total in one line, the active items under it, painted over in place. */
export function paintedProgress(streams: Streams, now: () => number): Progress {
  const output = streams.stderr
  const tally = new Tally(now)
  let painted = 0
  let timer: NodeJS.Timeout | undefined
  let unregister = () => {}

  const erase = () => (painted > 0 ? `\x1b[${painted}A\r${CLEAR_BELOW}` : '')
  const paint = (above = '') => {
    const lines = tally.phase === undefined ? [] : frame(tally, output.columns, now())
    output.write(`${erase()}${above}${lines.map((line) => `${line}\n`).join('')}`)
    painted = lines.length
  }
  const finish = () => {
    unregister()
    if (timer === undefined) return
    clearInterval(timer)
    timer = undefined
    output.write(`${erase()}${SHOW_CURSOR}`)
    painted = 0
  }
  const say = (line: string) => (timer === undefined ? output.write(line) : paint(line))
  const start = () => {
    if (timer !== undefined) return
    output.write(HIDE_CURSOR)
    unregister = streams.onRestore(finish)
    timer = setInterval(paint, FRAME_MS).unref()
  }
  return {
    phase(name, { total } = {}) {
      start()
      tally.start(name, total)
      paint()
    },
    item: (id, label, done, total, status) => tally.update({ id, label, done, total, status }),
    line: (text) => say(`${makeVisible(text)}\n`),
    success: (text) => say(successLine(output, text)),
    event() {},
    finish,
  }
}

/** Lines that fit `width`: a wrapped one would be erased wrongly. */
function frame(tally: Tally, width: number, now: number): string[] {
  const active = [...tally.items].filter(({ done, total }) => total === undefined || done < total)
  const shown = active.slice(0, MAX_ITEMS).map(itemLine)
  const more = active.length > MAX_ITEMS ? [`  and ${active.length - MAX_ITEMS} more`] : []
  const spinner = SPINNER[Math.floor(now / FRAME_MS) % SPINNER.length]
  return [`${spinner} ${tally.summary()}  ${humanDuration(tally.elapsed)}`, ...shown, ...more].map((line) =>
    [...makeVisible(line)].slice(0, width - 1).join(''),
  )
}

function itemLine({ label, done, total, status }: Item): string {
  const name = `  ${label.slice(0, LABEL_WIDTH).padEnd(LABEL_WIDTH)}`
  const state = status ? `${status}  ` : ''
  if (total === undefined) return `${name}  ${state}${humanBytes(done)}`
  const filled = total > 0 ? Math.min(BAR_WIDTH, Math.floor((done / total) * BAR_WIDTH)) : 0
  const bar = '='.repeat(filled).padEnd(BAR_WIDTH)
  return `${name}  [${bar}]  ${state}${humanBytes(done)} / ${humanBytes(total)}`
}
