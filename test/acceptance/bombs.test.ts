import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestBytes } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../../src/oci/media-types.ts'
import { header, LayoutBuilder, tar } from '../archive/build-archive.ts'
import { peakUntil } from './peak-memory.ts'
import { jsonError, serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024
/** Zeros to repeat: readers take compressed parts that follow each other for one stream. */
const PART = Buffer.alloc(64 * MIB)
const PARTS = 64
/**
 * Up to 1 GiB any expansion is believed; a little more may be under way when the limit is seen. What a program
 * writes that decompresses for us is counted too.
 */
const MAX_WRITTEN_BYTES = (1024 + 64) * MIB
const NOTHING_UNPACKED_BYTES = 16 * MIB
const MAX_RSS_MB = 128

type Compress = (bytes: Buffer) => Buffer
const COMPRESSIONS: [string, Compress][] = [
  ['gzip', (bytes) => gzipSync(bytes)],
  ['zstd', (bytes) => zstdCompressSync(bytes)],
  ['xz', (bytes) => execFileSync('xz', ['-0', '-c'], { input: bytes })],
]

/** 4 GiB of zeros behind a tar's first header, in less than 5 MB. */
function bomb(compress: Compress): Buffer {
  const start = compress(header({ name: 'zeros', size: PARTS * PART.length }))
  const part = compress(PART)
  return Buffer.concat([start, ...Array.from({ length: PARTS }, () => part)])
}

/** A layout of one image, whose layer is a bomb; the archive itself is a plain tar. */
function layoutWithBomb(layer: Buffer, mediaType: string): Buffer {
  const builder = new LayoutBuilder()
  const config = {
    os: 'linux',
    architecture: 'amd64',
    config: { Entrypoint: ['/app'] },
    rootfs: { type: 'layers', diff_ids: [digestBytes(layer)] },
    history: [{ created_by: 'COPY bomb /' }],
  }
  const image = builder.manifest(builder.json(config, OCI_CONFIG), [builder.blob(layer, mediaType)])
  return tar(builder.entries([{ ...image, annotations: { 'io.containerd.image.name': 'app:1.0' } }]))
}

let server: TestServer
let root: string
let temporary: string
beforeAll(async () => {
  server = await serve()
  root = await mkdtemp(join(tmpdir(), 'imgctl-bombs-'))
  temporary = join(root, 'temporary')
  await mkdir(temporary)
})
afterAll(async () => {
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

async function run(args: readonly string[]) {
  const env = { ...server.env, TMPDIR: temporary, DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
  const program = startImgctl(args, { env })
  const pid = program.child.pid!
  let written = 0
  const timer = setInterval(() => {
    written = Math.max(written, bytesWritten(pid))
  }, 20)
  const peak = await peakUntil(pid, program.ended)
  clearInterval(timer)
  return { ...(await program.ended), peak, written }
}

/** What a process has written so far, to files and elsewhere. Linux only. */
function bytesWritten(pid: number): number {
  try {
    return Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

const COMMANDS: [string, (path: string) => string[]][] = [
  ['image load', (path) => ['image', 'load', '-i', path, '--format', 'json']],
  ['image history', (path) => ['image', 'history', path, '--format', 'json']],
  ['image push', (path) => ['image', 'push', path, '--name', 'bomb:1.0', '--progress', 'json']],
]

describe.runIf(process.platform === 'linux')('a decompression bomb', () => {
  describe.each(COMPRESSIONS)('of %s', (name, compress) => {
    let path: string
    beforeAll(async () => {
      path = join(root, `bomb.${name}`)
      await writeFile(path, bomb(compress))
    }, 60_000)

    test.each(COMMANDS)(
      'is refused by %s',
      async (_, args) => {
        const result = await run(args(path))
        expect(result).toMatchObject({ code: 5, stdout: '' })
        expect(jsonError(result)).toMatchObject({
          code: 'TOO_LARGE',
          message: `its ${name} data decompresses to more than 200 times its size`,
          hint: expect.stringContaining('decompression bomb'),
        })
        expectBounded(result, name === 'xz' ? 2 * MAX_WRITTEN_BYTES : MAX_WRITTEN_BYTES)
        expect(await readdir(temporary)).toEqual([])
      },
      300_000,
    )
  })

  describe.each([
    ['gzip', OCI_LAYER_GZIP, gzipSync],
    ['zstd', OCI_LAYER_ZSTD, zstdCompressSync],
  ])('that is a layer of %s', (name, mediaType, compress) => {
    let path: string
    beforeAll(async () => {
      path = join(root, `layer.${name}`)
      await writeFile(path, layoutWithBomb(bomb(compress), mediaType))
    }, 60_000)

    test.each(COMMANDS.slice(0, 2))(
      'is refused by %s',
      async (_, args) => {
        const result = await run(args(path))
        expect(result).toMatchObject({ code: 5, stdout: '' })
        expect(jsonError(result)).toMatchObject({
          code: 'TOO_LARGE',
          message: expect.stringMatching(
            new RegExp(`the ${name} data of 'blobs/.*' decompresses to more than 200 times its size`),
          ),
        })
        expectBounded(result, NOTHING_UNPACKED_BYTES)
      },
      300_000,
    )

    test('is pushed as it is, and not unpacked', async () => {
      const result = await run(['image', 'push', path, '--name', `bomb:${name}`, '--no-wait'])
      expect(result).toMatchObject({ code: 0 })
      expectBounded(result, NOTHING_UNPACKED_BYTES)
    }, 300_000)
  })
})

function expectBounded({ peak, written }: { peak: number; written: number }, bytes: number): void {
  expect(peak).toBeGreaterThan(50)
  expect(peak).toBeLessThanOrEqual(MAX_RSS_MB)
  expect(written).toBeGreaterThan(0)
  expect(written).toBeLessThanOrEqual(bytes)
}
