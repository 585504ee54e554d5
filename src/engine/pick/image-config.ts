import { randomBytes } from 'node:crypto'
import type { Digest } from '../../oci/digest.ts'
import { digestBytes } from '../../oci/digest.ts'
import type { EngineConnection } from '../connection.ts'
import { GrpcClient } from '../grpc/call.ts'
import { encodeMessage } from '../grpc/protobuf.ts'

/** Starts a build whose steps a client asks for, one by one (moby/buildkit api/services/control, client/build.go). */
const SOLVE = '/moby.buildkit.v1.Control/Solve'
/** The engine's list of builds does not show it. Engines before 23 have no such list. */
const INTERNAL = 1
/** What a client of such a build may ask (moby/buildkit frontend/gateway/pb). */
const RESOLVE_IMAGE_CONFIG = '/moby.buildkit.v1.frontend.LLBBridge/ResolveImageConfig'
/** Says which build a request belongs to (moby/buildkit util/grpcerrors, client/buildid). */
const BUILD_ID_HEADER = 'buildkit-controlapi-buildid'
/** The engine's own images before any registry (moby/buildkit solver/llbsolver: source.ResolveModePreferLocal). */
const LOCAL = 'local'

/**
 * The config of an image, byte for byte. The engine's API shows a config's content only; its builder tells what it is
 * made of to who builds upon it. Nothing is built.
 *
 * @param target a tag that the engine has: it asks a registry for one that it has not
 * @param id of the image, which is its config's digest in a classic store
 * @throws Error when the engine does not tell, or tells another image's
 */
export async function readImageConfig(
  engine: EngineConnection,
  target: string,
  id: Digest,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const client = new GrpcClient(await engine.upgrade({ path: '/grpc', signal }, 'h2c'))
  const build = `imgctl-${randomBytes(8).toString('hex')}`
  const options = signal ? { signal } : {}
  try {
    // It lasts until the connection ends.
    client.call(SOLVE, encodeMessage({ 1: build, 11: INTERNAL }), options).catch(() => {})
    const answer = await client.call(RESOLVE_IMAGE_CONFIG, encodeMessage({ 1: target, 3: LOCAL }), {
      ...options,
      headers: { [BUILD_ID_HEADER]: build },
    })
    const config = answer.bytes(2)
    if (digestBytes(config) !== id) throw new Error('the builder knows another image by that name')
    return config
  } finally {
    client.close()
  }
}
