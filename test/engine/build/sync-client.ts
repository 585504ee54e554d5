import type { ClientHttp2Stream } from 'node:http2'
import { ProtobufMessage } from '../../../src/engine/grpc/protobuf.ts'
import { message } from './status-messages.ts'

/** The types of a packet, as fsutil numbers them. */
const [STAT, REQ, DATA, FIN] = [0, 1, 2, 3]

/** What a folder said of one thing in it. */
export interface ListedStat {
  path: string
  /** Go's FileMode. */
  mode: number
  uid: number
  size: number
  mtimeNs: bigint
  target: string
}

export interface Fetched {
  stats: ListedStat[]
  /** The files that were asked for. */
  contents: Record<string, string>
}

/**
 * Fetches a folder as BuildKit does: reads the whole list, asks for the files that it wants, and says that it is done.
 *
 * @param call a call of /moby.filesync.v1.FileSync/DiffCopy
 */
export async function fetchFolder(
  call: ClientHttp2Stream,
  wanted: (stat: ListedStat) => boolean = ({ mode, target }) => mode < 2 ** 20 && target === '',
): Promise<Fetched> {
  const stats: ListedStat[] = []
  const contents: Record<string, string> = {}
  const open = new Map<number, { path: string; chunks: Uint8Array[] }>()
  const say = (packet: Record<number, number>) => call.write(framedMessage(message(packet)))
  let isListed = false
  for await (const packet of packets(call)) {
    const id = packet.number(3)
    switch (packet.number(1)) {
      case STAT: {
        const [stat] = packet.messages(2)
        if (stat !== undefined) {
          const listed = readStat(stat)
          if (wanted(listed)) open.set(stats.length, { path: listed.path, chunks: [] })
          stats.push(listed)
          break
        }
        isListed = true
        for (const each of open.keys()) say({ 1: REQ!, 3: each })
        break
      }
      case DATA: {
        const file = open.get(id)
        if (file === undefined) throw new Error(`data of ${id}, which nobody asked for`)
        const bytes = packet.bytes(4)
        if (bytes.length > 0) file.chunks.push(bytes)
        else {
          contents[file.path] = Buffer.concat(file.chunks).toString()
          open.delete(id)
        }
        break
      }
      case FIN:
        call.end()
    }
    if (isListed && open.size === 0 && packet.number(1) !== FIN) say({ 1: FIN! })
  }
  return { stats, contents }
}

/** The messages of a call, to its end. */
export async function* packets(call: ClientHttp2Stream): AsyncGenerator<ProtobufMessage> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of call as AsyncIterable<Buffer>) {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
      const end = 5 + pending.readUInt32BE(1)
      yield new ProtobufMessage(pending.subarray(5, end))
      pending = pending.subarray(end)
    }
  }
}

function framedMessage(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

function readStat(stat: ProtobufMessage): ListedStat {
  return {
    ...{ path: stat.text(1), mode: stat.number(2), uid: stat.number(3), size: stat.number(5) },
    ...{ mtimeNs: BigInt(stat.number(6)), target: stat.text(7) },
  }
}
