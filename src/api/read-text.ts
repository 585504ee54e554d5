import type { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'

/** Far above the largest page of images; what is larger is no answer of this API. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

/** @throws ImgctlError SERVER_ERROR when the body is larger than any answer of the API */
export async function readText(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new ImgctlError('SERVER_ERROR', "the server's answer is too large")
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
