import { makeVisible } from '../../internal/control-characters.ts'
import type { BuildEvent } from '../../ports/engine-build.ts'
import { LogLines } from './log-lines.ts'
import type { SecretMask } from './secret-mask.ts'

/** How many of a failed step's last lines are shown. */
export const TAIL_LINES = 20

type StepState = Extract<BuildEvent, { kind: 'step' }>['state']

/** The steps of one build, numbered as they start, and told as events. */
export class BuildSteps {
  readonly #onEvent: (event: BuildEvent) => void
  readonly #mask: SecretMask
  #count = 0
  /** The first that failed: later ones fail because of it. */
  failed: BuildStep | undefined

  constructor(mask: SecretMask, onEvent: (event: BuildEvent) => void) {
    this.#mask = mask
    this.#onEvent = onEvent
  }

  start(name: string): BuildStep {
    this.#count += 1
    const shown = makeVisible(this.#mask.hide(name))
    const step: BuildStep = new BuildStep(this.#count, shown, this.#mask, (event) => {
      if (event.kind === 'step' && event.state === 'failed') this.failed ??= step
      this.#onEvent(event)
    })
    return step
  }
}

/** One step that started. */
export class BuildStep {
  readonly number: number
  readonly name: string
  /** The last lines that it wrote. */
  readonly tail: string[] = []
  readonly #streams: Record<'stdout' | 'stderr', LogLines>
  readonly #onEvent: (event: BuildEvent) => void
  #over = false

  constructor(number: number, name: string, mask: SecretMask, onEvent: (event: BuildEvent) => void) {
    this.number = number
    this.name = name
    this.#streams = { stdout: new LogLines(mask), stderr: new LogLines(mask) }
    this.#onEvent = onEvent
    this.#say('started')
  }

  log(stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    this.#write(stream, this.#streams[stream].push(bytes))
  }

  progress(part: string, current: number, total: number): void {
    this.#onEvent({
      ...{ kind: 'progress', step: this.number, part: makeVisible(part), current },
      ...(total > 0 ? { total } : {}),
    })
  }

  /** Does nothing when the step has ended before. */
  end(state: Exclude<StepState, 'started'>): void {
    if (this.#over) return
    this.#over = true
    for (const stream of ['stdout', 'stderr'] as const) this.#write(stream, this.#streams[stream].end())
    this.#say(state)
  }

  #write(stream: 'stdout' | 'stderr', lines: readonly string[]): void {
    for (const text of lines) {
      this.tail.push(text)
      if (this.tail.length > TAIL_LINES) this.tail.shift()
      this.#onEvent({ kind: 'log', step: this.number, stream, text })
    }
  }

  #say(state: StepState): void {
    this.#onEvent({ kind: 'step', step: this.number, name: this.name, state })
  }
}
