import { BLOCK, type Entry, header, pax, withChecksum } from './build-archive.ts'

/** Where a piece that is stored starts in a file, and its length. */
export type Extent = readonly [start: number, length: number]

/** `bytes` as the entry of a tar that leaves out all but `extents`. */
export type SparseForm = (name: string, bytes: Buffer, extents: readonly Extent[]) => Buffer

const stored = (bytes: Buffer, extents: readonly Extent[]) =>
  Buffer.concat(extents.map(([start, length]) => bytes.subarray(start, start + length)))
const padded = (bytes: Buffer) =>
  Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)])
const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`
const file = (entry: Entry) => Buffer.concat([header(entry), padded(Buffer.from(entry.body ?? ''))])

/** GNU's own: four extents in the header, 21 in each block after it. */
const gnu: SparseForm = (name, bytes, extents) => {
  const body = stored(bytes, extents)
  const block = header({ name, type: 'S', size: body.length })
  const write = (target: Buffer, at: number, count: number, from: number) => {
    for (const [i, [start, length]] of extents.slice(from, from + count).entries()) {
      target.write(octal(start) + octal(length), at + i * 24)
    }
    return from + count < extents.length
  }
  block.write('ustar  \0', 257)
  block.writeUInt8(write(block, 386, 4, 0) ? 1 : 0, 482)
  block.write(octal(bytes.length), 483)
  const blocks = [withChecksum(block)]
  for (let from = 4; from < extents.length; from += 21) {
    const more = Buffer.alloc(BLOCK)
    more.writeUInt8(write(more, 0, 21, from) ? 1 : 0, 504)
    blocks.push(more)
  }
  return Buffer.concat([...blocks, padded(body)])
}

const pax00: SparseForm = (name, bytes, extents) => {
  const { body: size } = pax({ 'GNU.sparse.size': String(bytes.length) })
  const records = extents.map(([start, length]) =>
    ['offset', 'numbytes'].map((key, i) => {
      const { body } = pax({ [`GNU.sparse.${key}`]: String(i === 0 ? start : length) })
      return body
    }),
  )
  const map = file({ name: 'pax', type: 'x', body: [size, ...records.flat()].join('') })
  return Buffer.concat([map, file({ name, body: stored(bytes, extents) })])
}

const pax01: SparseForm = (name, bytes, extents) => {
  const records = {
    'GNU.sparse.size': String(bytes.length),
    'GNU.sparse.name': name,
    'GNU.sparse.map': extents.flat().join(','),
  }
  return Buffer.concat([
    file(pax(records)),
    file({ name: 'GNUSparseFile.1/x', body: stored(bytes, extents) }),
  ])
}

const pax10: SparseForm = (name, bytes, extents) => {
  const records = {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': name,
    'GNU.sparse.realsize': String(bytes.length),
  }
  const map = padded(Buffer.from([extents.length, ...extents.flat()].map((value) => `${value}\n`).join('')))
  const body = Buffer.concat([map, stored(bytes, extents)])
  return Buffer.concat([file(pax(records)), file({ name: 'GNUSparseFile.1/x', body })])
}

export const SPARSE_FORMS: Readonly<Record<string, SparseForm>> = {
  "GNU's own": gnu,
  'pax 0.0': pax00,
  'pax 0.1': pax01,
  'pax 1.0': pax10,
}
