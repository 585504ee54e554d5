import type { ImageName } from '../../oci/image-name.ts'
import type { OpenRepository, Repository } from '../../ports/registry.ts'
import type { ServerPushAccess } from '../../ports/server.ts'

interface Ports {
  readonly server: ServerPushAccess
  readonly openRepository: OpenRepository
}

/** Where the server wants an image to be pushed. */
export interface ServerRepository {
  readonly repository: Repository
  /** The same with access to the organization's other repositories, which a mount reads. */
  readonly withOthers: () => Promise<Repository>
}

/** Access lasts an hour, and a push may take longer: it is renewed on the way. */
export async function openServerRepository(
  ports: Ports,
  name: ImageName,
  secure: boolean,
  signal: AbortSignal | undefined,
): Promise<ServerRepository> {
  const open = async (narrowedTo: string | undefined): Promise<Repository> => {
    const renew = () => pushAccess(ports, narrowedTo, signal)
    const { registryUrl: host, project, credentials, expiresAt } = await renew()
    const repository = `${project}/${name.repository}`
    return ports.openRepository({ host, secure, repository, credentials, renewal: { expiresAt, renew } })
  }
  return { repository: await open(name.repository), withOthers: () => open(undefined) }
}

async function pushAccess(
  { server }: Ports,
  repository: string | undefined,
  signal: AbortSignal | undefined,
) {
  const { username, secret, expiresAt, ...place } = await server.pushAccess(repository, signal)
  return { ...place, credentials: { username, password: secret }, expiresAt: Date.parse(expiresAt) }
}
