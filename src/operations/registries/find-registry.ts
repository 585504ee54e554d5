import type { DockerRegistry } from '../../contract/docker-registry.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerRegistries } from '../../ports/server.ts'

/**
 * The registry that a person means by its name, its host or its id. A name goes before the host of another one.
 *
 * @throws ImgctlError NOT_FOUND
 */
export async function findRegistry(
  server: ServerRegistries,
  wanted: string,
  signal?: AbortSignal,
): Promise<DockerRegistry> {
  const all = await server.registries(signal)
  const host = wanted.toLowerCase()
  const found =
    all.find(({ name }) => name === wanted) ??
    all.find(({ url }) => url === host) ??
    all.find(({ id }) => id === wanted)
  if (found) return found
  throw new ImgctlError('NOT_FOUND', `no registry is called ${JSON.stringify(wanted)}`, {
    hint: 'imgctl registry list shows what there is',
  })
}
