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
    step: (id, label, status) => tally.step(id, label, status),
    line: (text) => say(`${makeVisible(text)}\n`),
    success: (text) => say(successLine(output, text)),
    event() {},
    finish,
  }
}

/** Lines that fit `width`: a wrapped one would be erased wrongly. */
function frame(tally: Tally, width: number, now: number): string[] {
  const active = [...tally.items].filter(({ done, total }) => total === undefined || done < total)
  const steps = [...tally.steps].map(({ label, since }) => stepLine(label, now - since, width))
  const lines = [...active.map(itemLine), ...steps]
  const shown = lines.slice(0, MAX_ITEMS)
  const more = lines.length > MAX_ITEMS ? [`  and ${lines.length - MAX_ITEMS} more`] : []
  const spinner = SPINNER[Math.floor(now / FRAME_MS) % SPINNER.length]
  return [`${spinner} ${tally.summary()}  ${humanDuration(tally.elapsed)}`, ...shown, ...more].map((line) =>
    [...makeVisible(line)].slice(0, width - 1).join(''),
  )
}

/** Its time stands at the end of the line: what a step runs may be longer than the line. */
function stepLine(label: string, elapsed: number, width: number): string {
  const time = `  ${humanDuration(elapsed)}`
  const room = Math.max(LABEL_WIDTH, width - 3 - time.length)
  return `  ${label.length > room ? `${label.slice(0, room - 1)}…` : label}${time}`
}

function itemLine({ label, done, total, status }: Item): string {
  const name = `  ${label.slice(0, LABEL_WIDTH).padEnd(LABEL_WIDTH)}`
  const state = status ? `${status}  ` : ''
  if (total === undefined) return `${name}  ${state}${humanBytes(done)}`
  const filled = total > 0 ? Math.min(BAR_WIDTH, Math.floor((done / total) * BAR_WIDTH)) : 0
  const bar = '='.repeat(filled).padEnd(BAR_WIDTH)
  return `${name}  [${bar}]  ${state}${humanBytes(done)} / ${humanBytes(total)}`
}
