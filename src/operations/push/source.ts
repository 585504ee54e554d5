import type { Readable } from 'node:stream'
import type { Digest } from '../../oci/digest.ts'
import type { Descriptor, Manifest } from '../../oci/manifest.ts'
import type { Platform } from '../../oci/platform.ts'
import type { EngineVariant } from '../../ports/engine.ts'
import type { LayerCompression } from './layer-encoder.ts'

/** One layer as its source hands it out. */
export interface SourceLayer {
  /** For progress lines: 12 hex digits, of the diffID when that is known. */
  readonly label: string
  /** Stands for the stored bytes: a later run that finds the same here goes on with an upload that was broken off. */
  readonly content: string
  /** Unknown while an engine's export passes: the order of its layers comes at its end. */
  readonly diffID: Digest | undefined
  /** Set when the stored bytes are a registry blob already: it is sent as it is. */
  readonly descriptor: Descriptor | undefined
  readonly compression: LayerCompression
  /** Bytes that `open` yields. */
  readonly storedSize: number
  /** False: the bytes pass once, and `open` works once. */
  readonly reopens: boolean
  /** The stored bytes from `offset` on, verified at their end. */
  open(offset: number, signal: AbortSignal | undefined): Promise<Readable>
  /** The same from the start, for who uses each chunk up before asking for the next one: it costs no new memory. */
  chunks(signal: AbortSignal | undefined): AsyncIterable<Uint8Array>
}

/** Brings one layer to the registry and answers the blob it is there. The signal also ends it when another layer failed. */
export type TransferLayer = (layer: SourceLayer, signal: AbortSignal | undefined) => Promise<Descriptor>

/**
 * Hands the layers that are wanted to `transfer`, reads no other, and answers the config's bytes.
 *
 * @throws ImgctlError UNSUPPORTED when it cannot be done; what `transfer` throws
 */
export type PickLayers = (
  wanted: ReadonlySet<Digest>,
  transfer: TransferLayer,
  signal: AbortSignal | undefined,
) => Promise<Uint8Array>

/** What an image became in a registry. */
export interface TransferredLayers {
  readonly configBytes: Uint8Array
  /** In the order of the config. */
  readonly layers: readonly Descriptor[]
  /** The image's own manifest, when it has one: it holds, and keeps its digest, if every layer went as it was. */
  readonly manifest: SourceManifest | undefined
}

export interface SourceManifest {
  readonly bytes: Uint8Array
  readonly digest: Digest
  readonly parsed: Manifest
}

/** One image for one platform, wherever it is. The same for an engine, an archive and a layout. */
export interface ImageSource {
  readonly kind: 'engine' | 'docker-save' | 'oci-layout'
  /** As the user named it, for messages. */
  readonly title: string
  /** What the engine knows it by; undefined for archives and layouts. */
  readonly engineReference: string | undefined
  readonly platform: Platform
  /** What else the engine's index holds; none for an image of one platform, archives and layouts. */
  readonly variants: readonly EngineVariant[]
  /** Of an engine's index: what the engine is to be asked for, so that this platform alone goes. */
  readonly enginePlatform: Platform | undefined
  readonly repoTags: readonly string[]
  /** What a container of it runs: entrypoint, then command. */
  readonly command: readonly string[]
  readonly diffIDs: readonly Digest[]
  /** Bytes as stored, uncompressed for engines. */
  readonly size: number
  /** Identifies the image's content; undefined when only its manifest's digest is known before a transfer. */
  readonly configDigest: Digest | undefined
  /** The digests that a registry may already know the image by. */
  readonly manifestDigests: readonly Digest[]
  /** The config, where it is known before a transfer. */
  readonly configBytes: Uint8Array | undefined
  /** Known before a transfer for archives only. */
  readonly manifest: SourceManifest | undefined
  /** Bytes of each layer as it is stored, without reading one; undefined when that cannot be told. */
  layerSizes(signal: AbortSignal | undefined): Promise<ReadonlyMap<Digest, number> | undefined>
  /**
   * Hands each distinct layer to `transfer` once, the smallest first and `atOnce` at a time where the source can, and
   * answers the descriptors in order.
   */
  transferLayers(
    transfer: TransferLayer,
    options: { readonly atOnce: number; readonly signal: AbortSignal | undefined },
  ): Promise<TransferredLayers>
  /** Undefined where single layers cannot be had; where they can, the engine decides as well. */
  readonly pickLayers: PickLayers | undefined
  close(): Promise<void>
}
