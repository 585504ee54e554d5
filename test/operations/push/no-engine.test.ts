import { expect, test } from 'vitest'
import type { ServerConfig } from '../../../src/contract/server.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import { type PushPorts, type PushRequest, pushImage } from '../../../src/operations/push/push-image.ts'

const REQUEST: PushRequest = {
  source: 'app:1.0',
  build: { folder: '.' } as NonNullable<PushRequest['build']>,
  via: 'auto',
  record: {},
  waitMs: undefined,
  dryRun: false,
}

/** A machine without an engine, and a server of which only the configuration is asked. */
function portsWithoutEngine(builder: boolean): PushPorts {
  const config: Partial<ServerConfig> = { platforms: ['linux/amd64'], builder }
  const engine = async () => {
    throw new ImgctlError('ENGINE_UNREACHABLE', 'no container engine answers', {
      hint: 'start Docker',
      context: ['unix:///var/run/docker.sock: there is no such socket'],
    })
  }
  return { server: { config: async () => config }, engine, environment: {} } as unknown as PushPorts
}

test.each<[boolean, string]>([
  [false, 'start Docker'],
  [true, 'start Docker; or let the server build: POST /api/images/build'],
])('without an engine a server that builds (%s) is named as the way out', async (builder, hint) => {
  const pushed = pushImage(portsWithoutEngine(builder), REQUEST, () => {})
  await expect(pushed).rejects.toMatchObject({
    code: 'ENGINE_UNREACHABLE',
    hint,
    context: ['unix:///var/run/docker.sock: there is no such socket'],
  })
})
