import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { type Digest, digestBytes, digestHex } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Platform } from '../../src/oci/platform.ts'

/** One entry to write into a tar, by hand: what no careful library writes can be written too. */
export interface Entry {
  readonly name: string
  readonly body?: Uint8Array | string
  readonly type?: string
  readonly linkname?: string
  /** What the header says instead of the body's length; null: garbage. */
  readonly size?: number | null
  /** Write the size in GNU's base-256 form. */
  readonly base256?: boolean
}

export const BLOCK = 512
export const END_OF_TAR = Buffer.alloc(2 * BLOCK)

export function header({ name, body = '', type = '0', linkname = '', size, base256 }: Entry): Buffer {
  const block = Buffer.alloc(BLOCK)
  block.write(name, 0, 100)
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  const bytes = size ?? Buffer.byteLength(body)
  if (size === null) block.write('hundred\0', 124)
  else if (base256) {
    block.writeUInt8(0x80, 124)
    block.writeBigUInt64BE(BigInt(bytes), 128)
  } else block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124)
  block.write('00000000000\0', 136)
  block.write(type, 156)
  block.write(linkname, 157, 100)
  block.write('ustar\x0000', 257)
  return withChecksum(block)
}

export function withChecksum(block: Buffer): Buffer {
  block.write('        ', 148)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

export function entry(options: Entry): Buffer {
  const body = Buffer.from(options.body ?? '')
  return Buffer.concat([header(options), body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)])
}

export function pax(records: Record<string, string>): Entry {
  return { name: 'pax', type: 'x', body: Object.entries(records).map(paxRecord).join('') }
}

function paxRecord([key, value]: [string, string]): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + 1
  while (length !== rest + String(length).length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

export function tar(entries: readonly Entry[]): Buffer {
  return Buffer.concat([...entries.map(entry), END_OF_TAR])
}

/** A layer of one file, as a plain tar. */
export async function layerTar(file: string, content: string | Buffer): Promise<Buffer> {
  const packed = pack()
  packed.entry({ name: file, mtime: new Date(0) }, content)
  packed.finalize()
  return buffer(packed)
}

export function configJson(layers: readonly Uint8Array[], platform: Partial<Platform> = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      ...platform,
      config: { Entrypoint: ['/hello'] },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestBytes(layer)) },
    }),
  )
}

export function hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export interface SavedImage {
  readonly tags: readonly string[] | null
  readonly layers: readonly Uint8Array[]
  readonly platform?: Partial<Platform>
}

/** The entries of a classic docker-save archive: a folder per layer, manifest.json last. */
export function classicEntries(images: readonly SavedImage[]): Entry[] {
  const entries = new Map<string, Entry>()
  const manifest = images.map(({ tags, layers, platform }) => {
    const config = configJson(layers, platform)
    entries.set(`${hex(config)}.json`, { name: `${hex(config)}.json`, body: config })
    for (const layer of layers) {
      const id = hex(layer)
      entries.set(`${id}/`, { name: `${id}/`, type: '5' })
      entries.set(`${id}/VERSION`, { name: `${id}/VERSION`, body: '1.0' })
      entries.set(`${id}/json`, { name: `${id}/json`, body: JSON.stringify({ id }) })
      entries.set(`${id}/layer.tar`, { name: `${id}/layer.tar`, body: layer })
    }
    return {
      Config: `${hex(config)}.json`,
      RepoTags: tags,
      Layers: layers.map((layer) => `${hex(layer)}/layer.tar`),
    }
  })
  return [
    ...entries.values(),
    { name: 'manifest.json', body: JSON.stringify(manifest) },
    { name: 'repositories', body: '{}' },
  ]
}

/** The blobs of a layout under construction, and how to describe them. */
export class LayoutBuilder {
  readonly #blobs = new Map<Digest, Buffer>()

  blob(bytes: Buffer, mediaType: string) {
    const digest = digestBytes(bytes)
    this.#blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }

  drop(digest: Digest): void {
    this.#blobs.delete(digest)
  }

  json(value: unknown, mediaType: string) {
    return this.blob(Buffer.from(JSON.stringify(value)), mediaType)
  }

  /** An image whose layers are gzip'd; answers its manifest's descriptor. */
  image(layers: readonly Buffer[], platform: Partial<Platform> = {}) {
    const config = this.blob(configJson(layers, platform), OCI_CONFIG)
    const blobs = layers.map((layer) => this.blob(gzipSync(layer), OCI_LAYER_GZIP))
    return this.manifest(config, blobs)
  }

  manifest(config: unknown, layers: readonly unknown[]) {
    return this.json({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }, OCI_MANIFEST)
  }

  index(manifests: readonly unknown[]) {
    return this.json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX)
  }

  /** The layout's files, its index naming `manifests`. */
  entries(manifests: readonly unknown[]): Entry[] {
    return [
      { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
      { name: 'index.json', body: JSON.stringify({ schemaVersion: 2, manifests }) },
      ...[...this.#blobs].map(([digest, body]) => ({ name: `blobs/sha256/${digestHex(digest)}`, body })),
    ]
  }
}
