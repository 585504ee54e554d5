import type { EnginePush } from '../../ports/engine-push.ts'
import type { ImageSource } from './source.ts'

/** A name that an image has in the engine only while it is pushed. */
export class PassingTag {
  readonly #engine: Pick<EnginePush, 'tagImage' | 'untagImage'>
  readonly #target: string
  readonly #onLeft: (error: Error) => void
  #added: Promise<void> | undefined
  #removed: Promise<void> | undefined

  /** @param onLeft told when the engine keeps the name: what the push itself came to stays the news */
  constructor(
    engine: Pick<EnginePush, 'tagImage' | 'untagImage'>,
    target: string,
    onLeft: (error: Error) => void,
  ) {
    this.#engine = engine
    this.#target = target
    this.#onLeft = onLeft
  }

  /** @throws as EnginePush.tagImage */
  add({ engineReference, title, repoTags }: ImageSource, signal: AbortSignal | undefined): Promise<void> {
    this.#added = this.#engine.tagImage(engineReference ?? title, this.#target, signal, repoTags)
    return this.#added
  }

  /** When what `add` began has ended, and once. Never rejects. */
  remove(): Promise<void> {
    this.#removed ??= this.#remove().catch(this.#onLeft)
    return this.#removed
  }

  async #remove(): Promise<void> {
    await this.#added?.catch(() => {})
    await this.#engine.untagImage(this.#target)
  }
}
