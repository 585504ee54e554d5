/** Shorter text would hide ordinary words, and is no secret. */
const MIN_LENGTH = 4
const MASK = '***'

/**
 * Hides secrets in what a build prints, when a step prints one by mistake. Each line of a secret is hidden, since
 * output is looked at line by line. It knows a secret as it is, not encoded.
 */
export class SecretMask {
  #values: string[] = []

  add(secret: Uint8Array): void {
    const lines = new TextDecoder().decode(secret).split(/[\r\n]+/)
    const values = lines.map((line) => line.trim()).filter((line) => line.length >= MIN_LENGTH)
    // The longest first: one secret may contain another.
    this.#values = [...new Set([...this.#values, ...values])].sort((a, b) => b.length - a.length)
  }

  /** The length of the longest value. */
  get reach(): number {
    return this.#values[0]?.length ?? 0
  }

  hide(text: string): string {
    return this.#values.reduce((hidden, value) => hidden.replaceAll(value, MASK), text)
  }
}
