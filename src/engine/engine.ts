import type { Readable } from 'node:stream'
import type { Engine } from '../ports/engine.ts'
import { connect, type EngineConnection } from './connection.ts'
import type { EngineChoice, EngineEnvironment } from './environment.ts'
import { engineInfo, inspectImage, notFound } from './images.ts'
import { engineName } from './names.ts'
import { pushImage } from './push.ts'
import { listTags, tagImage, untagImage } from './tags.ts'

export interface EngineOptions extends EngineChoice {
  readonly environment: EngineEnvironment
}

/**
 * The container engine of this user. Lazy: nothing is read or reached before the first call, and each call may
 * throw ENGINE_UNREACHABLE. The engine that answered first is used from then on.
 */
export function createEngine({ environment, ...choice }: EngineOptions): Engine {
  let connection: Promise<EngineConnection> | undefined

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
    info: async (signal) => engineInfo(await connected(signal), signal),
    inspectImage: async (reference, signal) => inspectImage(await connected(signal), reference, signal),
    exportImage: async (reference, signal) => exportImage(await connected(signal), reference, signal),
    tagImage: async (source, target, signal) => tagImage(await connected(signal), source, target, signal),
    untagImage: async (target) => untagImage(await connected(), target),
    listTags: async (prefix, signal) => listTags(await connected(signal), prefix, signal),
    pushImage: async (target, auth, options) =>
      pushImage(await connected(options.signal), target, auth, options),
  }
}

/** What `docker save` writes. Destroying the stream ends the request in the engine. */
async function exportImage(
  engine: EngineConnection,
  reference: string,
  signal?: AbortSignal,
): Promise<Readable> {
  const path = `/images/${engineName(reference)}/get`
  return engine.open({ method: 'GET', path, signal, refusal: notFound(reference) })
}
