import { ImgctlError } from '../../errors/error.ts'
import { type Digest, shortDigest } from '../../oci/digest.ts'
import type { EngineContainer } from '../../ports/engine-catalog.ts'

/** Why an image that containers were made from stays. */
export function inUse(image: string, id: Digest, users: readonly EngineContainer[]): ImgctlError {
  const names = users.map(({ name, running }) => `${name}${running ? ' (running)' : ''}`).join(', ')
  const plural = users.length === 1 ? 'container' : 'containers'
  const remove = users.some(({ running }) => running) ? 'docker rm --force' : 'docker rm'
  return new ImgctlError('CONFLICT', `image ${image} (${shortDigest(id)}) is used by ${plural} ${names}`, {
    hint: `remove it first: ${remove} ${users.map(({ name }) => name).join(' ')}`,
  })
}

export function usersOf(containers: readonly EngineContainer[], id: Digest): EngineContainer[] {
  return containers.filter(({ imageId }) => imageId === id)
}
