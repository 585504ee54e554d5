import { packImages } from '../../archive/pack-images.ts'
import { tarSize, writeTar } from '../../archive/tar-write.ts'
import { withoutBufferGarbage } from '../../internal/buffer-garbage.ts'
import type { Platform } from '../../oci/platform.ts'
import { readBlob } from '../platform-image.ts'
import { openRemoteImage, type RemotePorts } from '../remote-image.ts'
import type { ArchiveContent, SaveFormat } from './content.ts'

/**
 * Images of the server, without an engine: the blobs of one platform, each once and verified as it passes, with the
 * manifest byte for byte.
 *
 * @throws ImgctlError as openRemoteImage; while the bytes are read also DIGEST_MISMATCH, BLOB_MISSING
 */
export async function remoteContent(
  ports: RemotePorts,
  names: readonly string[],
  format: SaveFormat,
  platform: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<ArchiveContent> {
  const packed = []
  for (const name of names) {
    const image = await openRemoteImage(ports, name, platform, signal)
    const { repository, manifest, config, configBytes } = image
    packed.push({
      repoTags: [image.name],
      platform: config.platform,
      configBytes,
      manifest,
      layers: manifest.parsed.layers.map((descriptor) => ({
        descriptor,
        open: () => readBlob(repository, descriptor, signal),
      })),
    })
  }
  const files = packImages(packed, format)
  return { phase: 'download', bytes: withoutBufferGarbage(writeTar(files)), total: tarSize(files) }
}
