import type { Digest } from '../oci/digest.ts'

/** One layer of an image, by itself. */
export interface PickedLayer {
  readonly diffID: Digest
  /** Bytes of its files, as the engine counts them: for progress. */
  readonly size: number
  /** The layer's tar, verified at its end. */
  readonly tar: AsyncIterable<Uint8Array>
}

export interface EngineLayers {
  /**
   * Reads some layers of an image, and its config, without an export of the whole image. Only where `info` says
   * `passesOver`, for an image with a tag. Layers may be handed out side by side, in any order.
   *
   * @param tag a name's last part that nobody else uses: the engine has it for the time of this call
   * @returns the config's bytes
   * @throws ImgctlError UNSUPPORTED when this engine cannot; IMAGE_NOT_FOUND, ENGINE_UNREACHABLE; what `take` throws
   */
  pickLayers(
    reference: string,
    request: { readonly tag: string; readonly wanted: ReadonlySet<Digest> },
    take: (layer: PickedLayer) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<Uint8Array>
}
