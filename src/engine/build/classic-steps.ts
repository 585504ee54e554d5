import { asFields, numberAt, stringAt } from '../json-fields.ts'
import type { EngineEvent } from '../ndjson.ts'
import type { BuildStep, BuildSteps } from './steps.ts'

/** `Step 2/3 : RUN true` (Docker), `STEP 2/3: RUN true`, `[1/2] STEP 2/3: RUN true` (Podman, with stages). */
const STEP = /^(\[\d+\/\d+\] )?step (\d+\/\d+) ?: (.*)$/i
/** ` ---> Using cache`, `--> Using cache 685866e5519`. */
const CACHED = /^ ?-+> Using cache/
/** What the builders say of themselves between and after steps. */
const CHATTER =
  /^(?: ?-+>|Removing intermediate container|COMMIT |Successfully (?:built|tagged) |(?:sha256:)?[0-9a-f]{64}$)/
/** Docker's classic builder writes a step's stderr in red, each time it has something. */
const RED = /^\x1b\[91m([\s\S]*)\x1b\[0m$/

/** Reads the steps out of the text that the classic builders write for people. */
export class ClassicSteps {
  readonly #steps: BuildSteps
  #current: BuildStep | undefined
  #cached = false

  constructor(steps: BuildSteps) {
    this.#steps = steps
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
      const [, stage = '', position, name] = step
      this.#current = this.#steps.start(`${stage}[${position}] ${name}`)
    } else if (CACHED.test(line)) this.#cached = true
    else if (line !== '' && !CHATTER.test(line)) this.#log(text)
  }

  #log(text: string): void {
    const red = RED.exec(text)
    this.#current?.log(red ? 'stderr' : 'stdout', Buffer.from(red?.[1] ?? text))
  }
}
