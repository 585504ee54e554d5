import { Readable } from 'node:stream'
import { sniffCompression } from '../../archive/compression.ts'
import { openFile, statIfThere } from '../../archive/file-access.ts'
import { BLOCK, isTarHeader, isZeroBlock } from '../../archive/tar-header.ts'
import { ImgctlError } from '../../errors/error.ts'

const SHOWN_STDIN = 'what came on stdin'

/**
 * A tar to be imported, whose beginning was looked at: an engine is not asked to make an image of what is none.
 *
 * @param source a path, or a stream
 * @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE; ARCHIVE_INVALID when it does not begin like a tar, plain or
 *   compressed
 */
export async function openImportSource(source: string | Readable): Promise<Readable> {
  if (typeof source !== 'string') return checked(source, SHOWN_STDIN)
  const stats = await statIfThere(source, source)
  if (stats === undefined) throw new ImgctlError('FILE_NOT_FOUND', `there is no file ${source}`)
  if (stats.isDirectory()) {
    throw new ImgctlError('FILE_UNREADABLE', `${source} is a folder`, {
      hint: `make a tar of it: tar -C ${source} -c . | imgctl image import - NAME:TAG`,
    })
  }
  return checked((await openFile(source, source)).createReadStream(), source)
}

async function checked(stream: Readable, shown: string): Promise<Readable> {
  let head: Buffer = Buffer.alloc(0)
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    head = Buffer.concat([head, chunk])
    if (head.length >= BLOCK) break
  }
  if (!beginsLikeTar(head)) {
    stream.destroy()
    throw new ImgctlError('ARCHIVE_INVALID', `${shown} is ${head.length === 0 ? 'empty' : 'no tar'}`, {
      hint: 'import takes a tar of a file system, as docker export writes it, plain or compressed',
    })
  }
  if (stream.readableEnded) return Readable.from([head], { objectMode: false })
  stream.unshift(head)
  return stream
}

function beginsLikeTar(head: Buffer): boolean {
  if (sniffCompression(head) !== 'none') return true
  const block = head.subarray(0, BLOCK)
  return isTarHeader(block) || (block.length === BLOCK && isZeroBlock(block))
}
