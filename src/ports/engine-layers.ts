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
   * @param reference who must be sure which image it is says the id: a name may stand for another one by then
   * @param tag a name's last part that nobody else uses: the engine has it for the time of this call
   * @param take its signal also ends when another layer failed; when the call ends no layer is being taken
   * @returns the config's bytes
   * @throws ImgctlError UNSUPPORTED when this engine cannot; IMAGE_NOT_FOUND, ENGINE_UNREACHABLE; what `take` throws
   */
  pickLayers(
    reference: string,
    request: { readonly tag: string; readonly wanted: ReadonlySet<Digest> },
    take: (layer: PickedLayer, signal: AbortSignal) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<Uint8Array>
}
