import type { Engine, EngineChoice, EngineInfo } from '../ports/engine.ts'
import type { EngineBuild } from '../ports/engine-build.ts'
import { describeImage, listImages } from './catalog.ts'
import { commitContainer } from './commit.ts'
import { connect, type EngineConnection } from './connection.ts'
import { listContainers } from './containers.ts'
import { imageBytes } from './disk.ts'
import type { EngineEnvironment } from './environment.ts'
import { exportImage, exportImages } from './export.ts'
import { imageHistory } from './history.ts'
import { engineInfo, imageId, inspectImage } from './images.ts'
import { importImage } from './import.ts'
import { loadImages } from './load.ts'
import { nameImage } from './name.ts'
import { pullImage } from './pull.ts'
import { pushImage } from './push.ts'
import { removeImage } from './remove.ts'
import { searchImages } from './search.ts'
import { listTags, tagImage, untagImage } from './tags.ts'

export interface EngineOptions extends EngineChoice {
  readonly environment: EngineEnvironment
}

/**
 * The container engine of this user. Lazy: nothing is read or reached before the first call, and each call may
 * throw ENGINE_UNREACHABLE. The engine that answered first is used from then on.
 */
export function createEngine({ environment, ...choice }: EngineOptions): Engine & EngineBuild {
  let connection: Promise<EngineConnection> | undefined
  let told: Promise<EngineInfo> | undefined

  const connected = async (signal?: AbortSignal): Promise<EngineConnection> => {
    signal?.throwIfAborted()
    connection ??= connect(environment, choice, signal)
    try {
      return await connection
    } catch (error) {
      connection = undefined
      throw error
    }
  }

  return {
    info: async (signal) => {
      signal?.throwIfAborted()
      told ??= connected(signal).then((engine) => engineInfo(engine, signal))
      try {
        return await told
      } catch (error) {
        told = undefined
        throw error
      }
    },
    imageId: async (reference, signal) => imageId(await connected(signal), reference, signal),
    inspectImage: async (reference, signal, platforms) =>
      inspectImage(await connected(signal), reference, signal, platforms),
    exportImage: async (reference, signal, platform) =>
      exportImage(await connected(signal), reference, signal, platform),
    exportImages: async (references, options) =>
      exportImages(await connected(options?.signal), references, options),
    loadImages: async (tar, signal) => loadImages(await connected(signal), tar, signal),
    pickLayers: async (reference, request, take, signal) => {
      // HTTP/2 and an HTTP server: loaded by those who pick.
      const { pickLayers } = await import('./pick/pick-layers.ts')
      return pickLayers(await connected(signal), reference, request, take, signal)
    },
    imageHistory: async (reference, signal, platform) =>
      imageHistory(await connected(signal), reference, signal, platform),
    tagImage: async (source, target, signal, known) =>
      tagImage(await connected(signal), source, target, signal, known),
    untagImage: async (target) => untagImage(await connected(), target),
    listTags: async (prefix, signal) => listTags(await connected(signal), prefix, signal),
    pushImage: async (target, auth, options) =>
      pushImage(await connected(options.signal), target, auth, options),
    pullImage: async (reference, auth, options) =>
      pullImage(await connected(options.signal), reference, auth, options),
    listImages: async (query, signal) => listImages(await connected(signal), query, signal),
    describeImage: async (reference, signal, platform) =>
      describeImage(await connected(signal), reference, signal, platform),
    containers: async (signal) => listContainers(await connected(signal), signal),
    imageBytes: async (signal) => imageBytes(await connected(signal), signal),
    nameImage: async (source, target, signal) => nameImage(await connected(signal), source, target, signal),
    removeImage: async (reference, options, signal) =>
      removeImage(await connected(signal), reference, options, signal),
    importImage: async (request, signal) => importImage(await connected(signal), request, signal),
    commitContainer: async (request, signal) => commitContainer(await connected(signal), request, signal),
    searchImages: async (query, signal) => searchImages(await connected(signal), query, signal),
    build: async (request, options) => {
      // gRPC and all that: loaded by those who build.
      const { buildImage } = await import('./build/build.ts')
      return buildImage(connected(options?.signal), environment, request, options)
    },
  }
}
