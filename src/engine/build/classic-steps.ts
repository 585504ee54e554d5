import { makeVisible } from '../../internal/control-characters.ts'
import type { BuildEvent } from '../../ports/engine-build.ts'
import { asFields, numberAt, stringAt } from '../json-fields.ts'
import type { EngineEvent } from '../ndjson.ts'
import type { BuildStep, BuildSteps } from './steps.ts'

/** `Step 2/3 : RUN true` (Docker), `STEP 2/3: RUN true`, `[1/2] STEP 2/3: RUN true` (Podman, with stages). */
const STEP = /^(\[\d+\/\d+\] )?step (\d+\/\d+) ?: (.*)$/i
/** ` ---> Using cache`, `--> Using cache 685866e5519`. */
const CACHED = /^ ?-+> Using cache/
/** ` ---> 60e39143e90a`, `--> 6ea6f4e883b`: the image that a step made, or for Docker's FROM the one it found. */
const STEP_IMAGE = /^ ?-+> ([0-9a-f]{11,12})$/
/** `[Warning] one or more build args were not consumed: [V]`, and Docker's like it. */
const WARNING = /^\[Warning\] (.*)$/
/** Podman warns of the arguments that it passes itself. */
const OWN_ARGUMENTS = /: \[(?:(?:TARGET|BUILD)(?:OS|ARCH|PLATFORM|VARIANT) ?)+\]$/
/** What the builders say of themselves between and after steps. */
const CHATTER =
  /^(?: ?-+>|Removing intermediate container|COMMIT |Successfully (?:built|tagged) |(?:sha256:)?[0-9a-f]{64}$)/
/** Docker's classic builder writes a step's stderr in red, each time it has something. */
const RED = /^\x1b\[91m([\s\S]*)\x1b\[0m$/

/** Reads the steps out of the text that the classic builders write for people. */
export class ClassicSteps {
  /** The images that steps made, by short id: none from the cache, and no base image. */
  readonly made: string[] = []
  readonly #steps: BuildSteps
  readonly #onEvent: (event: BuildEvent) => void
  #current: BuildStep | undefined
  #isFrom = false
  #cached = false

  constructor(steps: BuildSteps, onEvent: (event: BuildEvent) => void) {
    this.#steps = steps
    this.#onEvent = onEvent
  }

  follow(event: EngineEvent): void {
    const text = stringAt(event, 'stream')
    if (text !== undefined) this.#read(text)
    const detail = asFields(event['progressDetail'])
    const [part, current] = [stringAt(event, 'id'), numberAt(detail, 'current')]
    if (part === undefined || current === undefined) return
    this.#current?.progress(part, current, numberAt(detail, 'total') ?? 0)
  }

  /** Ends the step that runs. */
  end(state: 'done' | 'failed'): void {
    this.#current?.end(state === 'done' && this.#cached ? 'cached' : state)
    this.#current = undefined
  }

  #read(text: string): void {
    const line = text.trimEnd()
    const step = STEP.exec(line)
    if (step) {
      this.end('done')
      this.#cached = false
      const [, stage = '', position, name = ''] = step
      this.#isFrom = /^from\s/i.test(name)
      this.#current = this.#steps.start(`${stage}[${position}] ${name}`)
    } else if (CACHED.test(line)) this.#cached = true
    else if (CHATTER.test(line)) this.#note(line)
    else if (WARNING.test(line)) this.#warn(line)
    else if (line !== '') this.#log(text)
  }

  #note(line: string): void {
    const id = STEP_IMAGE.exec(line)?.[1]
    if (id !== undefined && !this.#isFrom && !this.#cached) this.made.push(id)
  }

  #warn(line: string): void {
    if (OWN_ARGUMENTS.test(line)) return
    this.#onEvent({ kind: 'warning', message: makeVisible(WARNING.exec(line)?.[1] ?? line) })
  }

  #log(text: string): void {
    const red = RED.exec(text)
    this.#current?.log(red ? 'stderr' : 'stdout', Buffer.from(red?.[1] ?? text))
  }
}
