/** The registry, or something on the way, took no byte of a body for too long. */
export const IDLE_CODE = 'IMGCTL_IDLE'

/** Ends a request whose body does not move on. Waits of our own are not counted. */
export class IdleWatch {
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** From now on nothing may happen for `milliseconds`. */
  expect(milliseconds: number): void {
    this.stop()
    this.#timer = setTimeout(() => {
      this.#controller.abort(Object.assign(new Error('idle'), { code: IDLE_CODE }))
    }, milliseconds)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
