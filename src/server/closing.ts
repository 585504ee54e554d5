/** What has to be closed again, closed in the opposite order of its opening. */
export class Closing {
  readonly #actions: (() => Promise<void>)[] = []
  #closed: Promise<void> | undefined

  add(action: () => Promise<void>): void {
    this.#actions.push(action)
  }

  /** Runs every action, also after one has failed, and then throws the first failure. Later calls wait for it. */
  close(): Promise<void> {
    this.#closed ??= this.#run()
    return this.#closed
  }

  async #run(): Promise<void> {
    const failures: unknown[] = []
    for (const action of this.#actions.reverse()) {
      await action().catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }
}
