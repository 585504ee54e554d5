import { expect, test } from 'vitest'
import { openServerRepository } from '../../../src/operations/push/server-repository.ts'
import type { OpenRepository, Repository, RepositoryLocation } from '../../../src/ports/registry.ts'

const NAME = { repository: 'team/app', tag: '1.0' }
const HOUR_MS = 3_600_000

/** A server that gives a new secret each time, and what was opened with them. */
function setup() {
  const asked: (string | undefined)[] = []
  const opened: RepositoryLocation[] = []
  const server = {
    pushAccess: async (repository: string | undefined) => {
      asked.push(repository)
      return {
        username: 'imgctl',
        secret: `secret-${asked.length}`,
        registryUrl: 'images.test',
        registryId: 'embedded',
        project: 'acme',
        expiresAt: new Date(asked.length * HOUR_MS).toISOString(),
      }
    },
  }
  const openRepository: OpenRepository = (location) => {
    const known = { ...location, secure: location.secure ?? true }
    opened.push(known)
    return { location: known } as Repository
  }
  return { asked, opened, ports: { server, openRepository } }
}

test('access is to the one repository, and renewed as that', async () => {
  const { asked, opened, ports } = setup()
  await openServerRepository(ports, NAME as never, true, undefined)
  expect(opened).toMatchObject([
    {
      host: 'images.test',
      secure: true,
      repository: 'acme/team/app',
      credentials: { username: 'imgctl', password: 'secret-1' },
      renewal: { expiresAt: HOUR_MS },
    },
  ])
  expect(await opened[0]!.renewal!.renew()).toMatchObject({
    credentials: { password: 'secret-2' },
    expiresAt: 2 * HOUR_MS,
  })
  expect(asked).toEqual(['team/app', 'team/app'])
})

test('only a mount asks for access to the other repositories', async () => {
  const { asked, opened, ports } = setup()
  const { withOthers } = await openServerRepository(ports, NAME as never, false, undefined)
  expect(asked).toEqual(['team/app'])
  await withOthers()
  expect(asked).toEqual(['team/app', undefined])
  expect(opened[1]).toMatchObject({ repository: 'acme/team/app', credentials: { password: 'secret-2' } })
})
