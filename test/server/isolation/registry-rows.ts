import { sha256 } from '../registry-context.ts'
import type { World } from './world.ts'

/** One operation of the protocol on something of `default/app` that is there. */
export interface Operation {
  /** After `/v2/<name>/`. */
  readonly path: string
  readonly body?: string
  readonly headers?: Record<string, string>
}

export interface Row {
  readonly action: 'pull' | 'push' | 'delete'
  readonly ok: number
  readonly operation: (world: World) => Promise<Operation>
}

const IMAGE_MANIFEST = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
let next = 0

const manifest = async (world: World) => ({ path: `manifests/${(await world.pushImage()).digest}` })
const blob = async (world: World) => ({ path: `blobs/${(await world.pushImage()).layer}` })

/** A session with five bytes in it. */
async function upload(world: World): Promise<Operation> {
  const client = world.client(world.key)
  const location = await client.upload('default/app')
  await client.call('PATCH', location, 202, { body: 'bytes' })
  return { path: location.replace(/^\/v2\/default\/app\//, '') }
}

/** One row per operation of src/server/registry/routes.ts. */
export const REGISTRY_ROWS: Readonly<Record<string, Row>> = {
  'manifest GET': { action: 'pull', ok: 200, operation: manifest },
  'manifest HEAD': { action: 'pull', ok: 200, operation: manifest },
  'manifest PUT': {
    action: 'push',
    ok: 201,
    operation: async (world) => {
      const { digest } = await world.pushImage()
      const known = await world.client(world.key).call('GET', `/v2/default/app/manifests/${digest}`, 200)
      return { path: `manifests/new-${++next}`, body: await known.text(), headers: IMAGE_MANIFEST }
    },
  },
  'manifest DELETE': { action: 'delete', ok: 202, operation: manifest },
  'blob GET': { action: 'pull', ok: 200, operation: blob },
  'blob HEAD': { action: 'pull', ok: 200, operation: blob },
  'blob DELETE': {
    action: 'delete',
    ok: 202,
    operation: async (world) => ({
      path: `blobs/${await world.client(world.key).pushBlob('default/app', `unused ${++next}`)}`,
    }),
  },
  'uploads POST': { action: 'push', ok: 202, operation: async () => ({ path: 'blobs/uploads/' }) },
  'upload GET': { action: 'push', ok: 204, operation: upload },
  'upload PATCH': {
    action: 'push',
    ok: 202,
    operation: async (world) => ({ ...(await upload(world)), body: 'more' }),
  },
  'upload PUT': {
    action: 'push',
    ok: 201,
    operation: async (world) => ({ path: `${(await upload(world)).path}?digest=${sha256('bytes')}` }),
  },
  'upload DELETE': { action: 'push', ok: 204, operation: upload },
  'tags GET': {
    action: 'pull',
    ok: 200,
    operation: async (world) => {
      await world.pushImage()
      return { path: 'tags/list' }
    },
  },
  'referrers GET': {
    action: 'pull',
    ok: 200,
    operation: async (world) => ({ path: `referrers/${(await world.pushImage()).digest}` }),
  },
}
