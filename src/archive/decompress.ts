import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { pipeline, type Readable, type Writable } from 'node:stream'
import { pipeline as piped } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { ImgctlError } from '../errors/error.ts'
import { BufferGarbage } from '../internal/buffer-garbage.ts'
import { hasSystemCode } from '../internal/system-code.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveCompression } from './compression.ts'
import { splitZstdFrames } from './split-zstd-frames.ts'

/** Fewer, larger chunks than zlib's own 16 KiB. */
const CHUNK_BYTES = 256 * 1024
/** Up to here any expansion is believed: images of zeros are real, and so much fits on every disk. */
export const UNSUSPICIOUS_BYTES = 1024 ** 3
/** Real images compress 2 to 20 times; a decompression bomb of gzip reaches 1000, one of zstd far more. */
export const MAX_EXPANSION = 200

export interface ExpansionLimits {
  /** Archives of 100 GB are real; more from one compressed file is a decompression bomb. */
  readonly maxBytes?: number
  readonly maxExpansion?: number
  readonly unsuspiciousBytes?: number
}

/** The largest thing that a compressed file or layer may become. */
export const MAX_DECOMPRESSED_BYTES = 128 * 1024 ** 3

/**
 * Decompresses a stream. gzip and zstd are Node's own work; xz, bzip2, and zstd on a Node without it (before
 * 22.15), are done by the programs of these names: there is no small library for them that is kept up, and
 * engines call `xz` too.
 *
 * @param path of the entry that the data is, for messages; undefined: the archive itself
 * @throws ImgctlError ARCHIVE_INVALID (damaged, cut short), TOO_LARGE (a decompression bomb), UNSUPPORTED when
 *   the program is not there; what `source` throws
 */
export async function* decompressed(
  source: AsyncIterable<Uint8Array>,
  compression: Exclude<ArchiveCompression, 'none'>,
  path: string | undefined,
  limits: ExpansionLimits = {},
): AsyncGenerator<Uint8Array> {
  const data =
    path === undefined ? `its ${compression} data` : `the ${compression} data of ${quoteName(path)}`
  const guard = new ExpansionGuard(data, limits)
  let failure: unknown
  async function* counted(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of source) {
        guard.read += chunk.length
        yield chunk
      }
    } catch (error) {
      failure = error
      throw error
    }
  }
  const decode = nodeDecoder(compression)
  const input = compression === 'zstd' ? splitZstdFrames(counted()) : counted()
  const output = decode ? byNode(input, decode) : byProgram(input, compression)
  const garbage = new BufferGarbage()
  try {
    for await (const chunk of output) {
      guard.add(chunk.length)
      yield chunk
      garbage.usedUp(chunk.length)
    }
  } catch (error) {
    if (failure !== undefined) throw failure
    throw error instanceof ImgctlError ? error : damaged(data, error)
  }
}

type Decoder = Writable & Readable

function nodeDecoder(compression: ArchiveCompression): Decoder | undefined {
  if (compression === 'gzip') return zlib.createGunzip({ chunkSize: CHUNK_BYTES })
  if (compression !== 'zstd' || typeof zlib.createZstdDecompress !== 'function') return undefined
  return zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES })
}

async function* byNode(source: AsyncIterable<Uint8Array>, decoder: Decoder): AsyncGenerator<Uint8Array> {
  // The callback form: an error reaches whoever reads the decoder.
  yield* pipeline(source, decoder, () => {}) as AsyncIterable<Uint8Array>
}

async function* byProgram(source: AsyncIterable<Uint8Array>, program: string): AsyncGenerator<Uint8Array> {
  const child = await start(program)
  const feeding = piped(source, child.stdin!)
  feeding.catch(() => {})
  let complaint = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, 500)
  })
  const ended = once(child, 'close')
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>
    const [code] = await ended
    // The program's own complaint says more than the broken pipe that it leaves.
    if (code !== 0) throw new Error(`${program} ended with code ${code}: ${complaint}`)
    await feeding
  } finally {
    child.kill('SIGKILL')
  }
}

async function start(program: string): Promise<ChildProcess> {
  const child = spawn(program, ['-d', '-c'], { stdio: 'pipe' })
  try {
    await once(child, 'spawn')
    return child
  } catch (cause) {
    throw new ImgctlError(
      'UNSUPPORTED',
      `the archive is compressed with ${program}, which is not installed`,
      {
        hint: `install ${program}, or decompress the archive elsewhere: ${program} -d`,
        cause,
      },
    )
  }
}

function damaged(data: string, cause: unknown): ImgctlError {
  const text = cause instanceof Error ? cause.message : ''
  const isCut =
    hasSystemCode(cause, 'Z_BUF_ERROR') || /unexpected end|premature end|ends unexpectedly/i.test(text)
  return archiveInvalid(`${data} is ${isCut ? 'cut short' : 'damaged'}`, cause)
}

/** Ends a decompression that no real image needs, before it fills a disk. */
class ExpansionGuard {
  read = 0
  #written = 0
  readonly #data: string
  readonly #limits: Required<ExpansionLimits>

  constructor(data: string, limits: ExpansionLimits) {
    this.#data = data
    this.#limits = {
      maxBytes: MAX_DECOMPRESSED_BYTES,
      maxExpansion: MAX_EXPANSION,
      unsuspiciousBytes: UNSUSPICIOUS_BYTES,
      ...limits,
    }
  }

  /** @throws ImgctlError TOO_LARGE */
  add(bytes: number): void {
    this.#written += bytes
    const { maxBytes, maxExpansion, unsuspiciousBytes } = this.#limits
    const isBomb = this.#written > unsuspiciousBytes && this.#written > this.read * maxExpansion
    if (this.#written <= maxBytes && !isBomb) return
    const how = isBomb ? `to more than ${maxExpansion} times its size` : `to more than ${maxBytes} bytes`
    throw new ImgctlError('TOO_LARGE', `${this.#data} decompresses ${how}`, {
      hint: 'it looks like a decompression bomb; if that is right, decompress it yourself: a plain tar has no such limit',
    })
  }
}
