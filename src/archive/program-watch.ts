import { ELF_HEADER_BYTES, elfArchitecture } from './elf.ts'
import { BLOCK, isTarHeader, parseTarHeader } from './tar-header.ts'

/**
 * Looks for one program in layers that pass by, and reads which machine it is for from its ELF header. It only looks: a
 * layer that it does not understand (a name in an extended header, a broken tar) tells it nothing.
 */
export class ProgramWatch {
  readonly #path: string
  readonly #found = new Set<string>()

  /** @param path absolute, as an image config's entrypoint has it */
  constructor(path: string) {
    this.#path = path.replace(/^\/+/, '')
  }

  /** The architectures found so far, in Go's words: several when layers replace the program. */
  get architectures(): readonly string[] {
    return [...this.#found]
  }

  /** Takes the chunks of one layer's plain tar, in order. */
  layer(): (chunk: Uint8Array) => void {
    let header: Uint8Array = new Uint8Array(0)
    let head: Uint8Array | undefined
    let skip = 0
    let ended = false
    const readHeader = () => {
      ended = !isTarHeader(header)
      if (ended) return
      const { type, path, size } = parseTarHeader(header)
      skip = Math.ceil(size / BLOCK) * BLOCK
      const isProgram =
        type === 'file' && size >= ELF_HEADER_BYTES && path.replace(/^(?:\.?\/)+/, '') === this.#path
      head = isProgram ? new Uint8Array(0) : undefined
      header = new Uint8Array(0)
    }
    return (chunk) => {
      for (let at = 0; at < chunk.length && !ended; ) {
        if (skip > 0) {
          const taken = Math.min(skip, chunk.length - at)
          if (head)
            head = this.#look(
              Buffer.concat([head, chunk.subarray(at, at + Math.min(taken, ELF_HEADER_BYTES))]),
            )
          skip -= taken
          at += taken
          continue
        }
        const part = chunk.subarray(at, at + BLOCK - header.length)
        header = Buffer.concat([header, part])
        at += part.length
        if (header.length === BLOCK) readHeader()
      }
    }
  }

  /** @returns what still has to grow, or undefined when it was enough */
  #look(head: Uint8Array): Uint8Array | undefined {
    if (head.length < ELF_HEADER_BYTES) return head
    const architecture = elfArchitecture(head)
    if (architecture) this.#found.add(architecture)
    return undefined
  }
}
