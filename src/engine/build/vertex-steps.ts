import { makeVisible } from '../../internal/control-characters.ts'
import type { BuildEvent } from '../../ports/engine-build.ts'
import type { BuildStatus, Vertex } from './status.ts'
import type { BuildStep, BuildSteps } from './steps.ts'

/** How the error of a step ends that was stopped because another one failed. Go's context.Canceled. */
const CANCELLED = /context canceled$/

/** Follows BuildKit's vertexes, which are told again with each change, as steps. */
export class VertexSteps {
  readonly #steps: BuildSteps
  readonly #onEvent: (event: BuildEvent) => void
  readonly #byDigest = new Map<string, BuildStep>()

  constructor(steps: BuildSteps, onEvent: (event: BuildEvent) => void) {
    this.#steps = steps
    this.#onEvent = onEvent
  }

  follow({ vertexes, parts, logs, warnings }: BuildStatus): void {
    for (const vertex of vertexes) if (vertex.started) this.#start(vertex)
    for (const { vertex, stream, bytes } of logs) this.#byDigest.get(vertex)?.log(stream, bytes)
    for (const { vertex, id, current, total } of parts) {
      if (current > 0 || total > 0) this.#byDigest.get(vertex)?.progress(id, current, total)
    }
    for (const { message, url, line } of warnings) {
      this.#onEvent({
        ...{ kind: 'warning', message: makeVisible(message) },
        ...(line > 0 ? { line } : {}),
        ...(url === '' ? {} : { url: makeVisible(url) }),
      })
    }
    // Last: the output of a step that ends now is in the same message.
    for (const vertex of vertexes)
      if (vertex.completed) this.#byDigest.get(vertex.digest)?.end(outcome(vertex))
  }

  #start({ digest, name }: Vertex): void {
    if (!this.#byDigest.has(digest)) this.#byDigest.set(digest, this.#steps.start(name))
  }
}

function outcome({ error, cached }: Vertex): 'failed' | 'cancelled' | 'cached' | 'done' {
  if (error !== '') return CANCELLED.test(error) ? 'cancelled' : 'failed'
  return cached ? 'cached' : 'done'
}
