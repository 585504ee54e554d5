import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { ImgctlError } from '../../errors/error.ts'
import { withoutBufferGarbage } from '../../internal/buffer-garbage.ts'
import { countedBytes } from '../../internal/counted-bytes.ts'
import { writeStreamDurably } from '../../internal/durable-stream.ts'
import { writeToStream } from '../../internal/paced-write.ts'
import { parallelGzip, parallelZstd } from '../../internal/parallel-compress.ts'
import { isDiskFull, systemCode } from '../../internal/system-code.ts'
import type { Platform } from '../../oci/platform.ts'
import type { RemotePorts } from '../remote-image.ts'
import type { ArchiveContent, SaveFormat } from './content.ts'
import { engineContent, type SavingEngine } from './engine-content.ts'
import type { SaveEvent } from './events.ts'
import { remoteContent } from './remote-content.ts'

export type SaveCompression = 'gzip' | 'zstd'

export interface SavePorts {
  /** Called only for images of an engine. */
  readonly engine: () => Promise<SavingEngine>
  /** Called only for images of the server. */
  readonly remote: () => Promise<RemotePorts>
}

export interface SaveRequest {
  readonly images: readonly string[]
  /** The server's images, not the engine's. */
  readonly remote: boolean
  /** Undefined: what the engine writes; `docker` for the server's images. */
  readonly format?: SaveFormat
  readonly compress?: SaveCompression
  readonly platform?: Platform
}

/** Where the archive goes: a file, which appears whole or not at all, or a stream, which is ended. */
export type SaveTarget = { readonly path: string } | { readonly stream: Writable }

export interface Saved {
  /** Bytes that were written. */
  readonly bytes: number
}

/** gzip's default level is for what is kept long; an archive is made once and read once. 2.4 x as fast for 6 % more bytes. */
const GZIP_LEVEL = 3

/**
 * Writes images into one archive.
 *
 * @throws ImgctlError IMAGE_NOT_FOUND, ARCH_MISMATCH, UNSUPPORTED (zstd on an old Node), FILE_NOT_FOUND,
 *   FILE_UNREADABLE, DISK_FULL; those of the engine, server and registry. No part of a file is left then.
 */
export async function saveImages(
  ports: SavePorts,
  request: SaveRequest,
  target: SaveTarget,
  onEvent: (event: SaveEvent) => void,
  signal?: AbortSignal,
): Promise<Saved> {
  onEvent({ type: 'phase', phase: 'prepare' })
  const compress = compressor(request.compress)
  if ('path' in target) await assertWritable(target.path)
  const content = await openContent(ports, request, signal)
  const { phase, total } = content
  onEvent({ type: 'phase', phase, ...(total === undefined ? {} : { total }) })
  let written = 0
  const archive = countedBytes(content.bytes, (done) => onEvent({ type: 'bytes', done, total }))
  const counted = countedBytes(compress(archive), (bytes) => {
    written = bytes
  })
  if ('stream' in target) await writeToStream(target.stream, counted, signal)
  else await writeFile(target.path, announced(counted, onEvent), signal)
  return { bytes: written }
}

function openContent(
  { engine, remote }: SavePorts,
  { images, format, platform, ...request }: SaveRequest,
  signal: AbortSignal | undefined,
): Promise<ArchiveContent> {
  const distinct = [...new Set(images)]
  return request.remote
    ? remote().then((ports) => remoteContent(ports, distinct, format ?? 'docker', platform, signal))
    : engine().then((opened) => engineContent(opened, distinct, format, platform, signal))
}

function gzip(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return parallelGzip(source, GZIP_LEVEL)
}

type Compress = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

function compressor(compression: SaveCompression | undefined): Compress {
  if (compression === undefined) return (source) => source
  const compress = compression === 'gzip' ? gzip : parallelZstd
  if (compress) return (source) => withoutBufferGarbage(compress(source))
  throw new ImgctlError('UNSUPPORTED', 'zstd needs Node.js 22.15 or newer', {
    hint: 'use --compress gzip, or: npx -p node@24 -p imgctl imgctl image save ...',
  })
}

/** Says that only the disk has to be waited for. */
async function* announced(
  source: AsyncIterable<Uint8Array>,
  onEvent: (event: SaveEvent) => void,
): AsyncGenerator<Uint8Array> {
  yield* source
  onEvent({ type: 'phase', phase: 'sync' })
}

/** Before minutes of work: what certainly cannot be written. @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE */
async function assertWritable(path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (there && !there.isFile()) {
    const kind = there.isDirectory() ? 'a folder' : 'not a regular file'
    throw new ImgctlError('FILE_UNREADABLE', `${path} cannot be written: it is ${kind}`, {
      hint: 'give the name of a file, or write to stdout: imgctl image save ... > FILE',
    })
  }
  const folder = await stat(dirname(path)).catch(() => undefined)
  if (!folder?.isDirectory()) throw new ImgctlError('FILE_NOT_FOUND', `there is no folder ${dirname(path)}`)
}

async function writeFile(
  path: string,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await writeStreamDurably(path, source, signal)
  } catch (error) {
    signal?.throwIfAborted()
    throw writeError(path, error) ?? error
  }
}

/** Undefined for errors that are not of the file. */
function writeError(path: string, error: unknown): ImgctlError | undefined {
  if (error instanceof ImgctlError || !(error instanceof Error) || !('syscall' in error)) return undefined
  if (isDiskFull(error)) {
    return new ImgctlError('DISK_FULL', `${path}: the disk is full; nothing was left there`, { cause: error })
  }
  return new ImgctlError(
    'FILE_UNREADABLE',
    `${path} cannot be written: ${systemCode(error) ?? 'write error'}`,
    { cause: error },
  )
}
