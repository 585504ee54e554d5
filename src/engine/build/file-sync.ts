import type { SentEntry, SentFolder } from '../../ports/engine-build.ts'
import { encodeMessage, type ProtobufMessage } from '../grpc/protobuf.ts'
import { CallerFailed, type GrpcCall, NotOffered } from '../grpc/serve.ts'

/** The packets of https://github.com/tonistiigi/fsutil/blob/master/types/wire.proto. */
const STAT = 0
const REQ = 1
const DATA = 2
const FIN = 3

/** Go's fs.FileMode: permissions as everywhere, and bits of its own for the rest. https://pkg.go.dev/io/fs#FileMode */
const GO_TYPE_BITS = { file: 0, link: 0, directory: 1 << 31, symlink: 1 << 27, fifo: 1 << 25 } as const
const GO_MODE_BITS = [
  [0o4000, 1 << 23],
  [0o2000, 1 << 22],
  [0o1000, 1 << 20],
] as const
const PERMISSIONS = 0o777

/** Files that are read at once: enough that small ones do not wait for the disk. fsutil's client reads as many. */
const READERS = 4
/** Below the 4 MiB that gRPC takes in one message. */
const MAX_DATA_BYTES = 1024 * 1024

/** A folder that is offered under a name. */
export interface SyncedFolder extends SentFolder {
  /** Told the bytes of each part of a file that was sent. */
  onSent?(bytes: number): void
  /** Told that BuildKit has all that it wanted. */
  onDone?(): void
}

/**
 * moby.filesync.v1.FileSync/DiffCopy: we say what a folder holds, BuildKit asks for those files that it does not have
 * or has with another size or time, and says when it is done
 * (https://github.com/tonistiigi/fsutil/blob/master/receive.go).
 *
 * @param folders by their names: `context`, `dockerfile`
 * @throws NotOffered for any other name; CallerFailed; what the folder throws
 */
export async function sendFolder(call: GrpcCall, folders: ReadonlyMap<string, SyncedFolder>): Promise<void> {
  const name = call.header('dir-name')[0] ?? ''
  const folder = folders.get(name)
  if (folder === undefined) throw new NotOffered(`there is no folder ${JSON.stringify(name)}`)
  await new Transfer(call, folder).run()
}

class Transfer {
  readonly #call: GrpcCall
  readonly #folder: SyncedFolder
  /** Files that may be asked for: by the position at which they were listed. */
  readonly #files = new Map<number, SentEntry>()
  readonly #reading = new Set<Promise<void>>()

  constructor(call: GrpcCall, folder: SyncedFolder) {
    this.#call = call
    this.#folder = folder
  }

  /** The first failure ends the call, and with it all that still goes on. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#list().catch(reject)
      this.#answer(reject).then(resolve, reject)
    })
  }

  async #list(): Promise<void> {
    const include = [...paths(this.#call, 'include-patterns'), ...paths(this.#call, 'followpaths')]
    const selection = {
      ...(include.length > 0 ? { only: include } : {}),
      except: paths(this.#call, 'exclude-patterns'),
    }
    let position = 0
    for await (const entry of this.#folder.entries(selection)) {
      if (entry.type === 'file') this.#files.set(position, entry)
      position++
      await this.#call.send(encodeMessage({ 1: STAT, 2: encodeStat(entry) }))
    }
    await this.#call.send(encodeMessage({ 1: STAT }))
  }

  async #answer(onFailure: (error: unknown) => void): Promise<void> {
    for await (const packet of this.#call.messages()) {
      switch (packet.number(1)) {
        case REQ: {
          const reading = this.#send(packet).catch(onFailure)
          this.#reading.add(reading)
          reading.finally(() => this.#reading.delete(reading))
          if (this.#reading.size >= READERS) await Promise.race(this.#reading)
          break
        }
        case FIN:
          this.#folder.onDone?.()
          return this.#call.send(encodeMessage({ 1: FIN }))
        default:
          throw new CallerFailed(packet.text(4))
      }
    }
  }

  async #send(request: ProtobufMessage): Promise<void> {
    const id = request.number(3)
    const entry = this.#files.get(id)
    if (entry === undefined) throw new Error('BuildKit asked for a file that was not listed, or twice')
    this.#files.delete(id)
    for await (const chunk of entry.read()) {
      // Never an empty part: to BuildKit it is the file's end.
      for (let at = 0; at < chunk.length; at += MAX_DATA_BYTES) {
        const part = chunk.subarray(at, at + MAX_DATA_BYTES)
        await this.#call.send(encodeMessage({ 1: DATA, 3: id, 4: part }))
        this.#folder.onSent?.(part.length)
      }
    }
    await this.#call.send(encodeMessage({ 1: DATA, 3: id }))
  }
}

/** https://github.com/tonistiigi/fsutil/blob/master/types/stat.proto: the owner is left out, which is root. */
function encodeStat({ path, type, mode, mtimeNs, size, target = '' }: SentEntry): Buffer {
  const bits = GO_MODE_BITS.reduce((sum, [unix, go]) => sum | (mode & unix ? go : 0), mode & PERMISSIONS)
  const length = type === 'symlink' ? Buffer.byteLength(target) : size
  return encodeMessage({ 1: path, 2: (bits | GO_TYPE_BITS[type]) >>> 0, 5: length, 6: mtimeNs, 7: target })
}

/** Values of a header that are paths. Text that is not ASCII is sent as in a query, or by BuildKit of 2020 as it is. */
function paths(call: GrpcCall, header: string): string[] {
  const isEncoded = call.header(`${header}-encoded`)[0] === '1'
  return call.header(header).map((value) => {
    if (isEncoded) return decodeURIComponent(value.replaceAll('+', ' '))
    return Buffer.from(value, 'latin1').toString('utf8')
  })
}
