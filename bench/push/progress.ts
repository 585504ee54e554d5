import { measure, type Program, type Run } from '../measure.ts'
import type { Row } from '../results.ts'
import { type Arena, pushCommand } from './arena.ts'
import type { BenchImage } from './image-set.ts'

export const PROGRESS = 'archive, cold, with progress'
const NONE = 'none'
/** Other load comes and goes: what a run took at its least is what it takes. */
const MIN_ROUNDS = 3

/** How each kind of progress is shown: on a terminal of 100 columns, which `script` makes, and to a pipe. */
const KINDS: Readonly<Record<string, (push: readonly string[]) => readonly string[]>> = {
  [NONE]: (push) => [...push, '--progress', 'none'],
  plain: (push) => [...push, '--progress', 'plain'],
  json: (push) => [...push, '--progress', 'json'],
  // Both write to a terminal, so that `script` itself counts on both sides.
  'none, in a terminal': (push) => inTerminal([...push, '--progress', 'none']),
  terminal: (push) => inTerminal([...push, '--progress', 'tty']),
}

/** What showing progress costs: the same cold push, by turns, shown in each way. */
export async function progressCost(
  arena: Arena,
  { name, archive }: BenchImage,
  rounds: number,
): Promise<Row[]> {
  const best = new Map<string, Run>()
  for (let round = 0; round < Math.max(rounds, MIN_ROUNDS); round++) {
    for (const [kind, command] of Object.entries(KINDS)) {
      const run = await arena.withRegistry(async ({ host }) => {
        const push = pushCommand(archive, `${host}/bench/${name}:1.0`)
        return measure({ command: command(push), env: await arena.newUser() } satisfies Program)
      })
      const { seconds = Infinity, cpu = Infinity, rss = 0 } = best.get(kind) ?? {}
      best.set(kind, {
        seconds: Math.min(seconds, run.seconds),
        cpu: Math.min(cpu, run.cpu),
        rss: Math.max(rss, run.rss),
      })
    }
  }
  return [...best].map(([kind, { seconds, cpu, rss }]) => {
    const silent = best.get(kind === 'terminal' ? 'none, in a terminal' : NONE)!
    const ratios = { 'x time': seconds / silent.seconds, 'x CPU': cpu / silent.cpu }
    return { case: PROGRESS, who: kind, values: { seconds, 'CPU s': cpu, 'RSS MB': rss, ...ratios } }
  })
}

function inTerminal(command: readonly string[]): readonly string[] {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  return ['script', '--quiet', '--return', '--command', `stty cols 100; exec ${quoted}`, '/dev/null']
}
