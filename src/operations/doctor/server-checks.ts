import { isCode } from '../../errors/error.ts'
import { isLoopback } from '../../internal/loopback.ts'
import type { Probes } from '../../ports/diagnosis.ts'
import { loginExpiry } from '../login/expiry.ts'
import { type AskedConfig, answers, NO_SERVER } from './asked-config.ts'
import { type Finding, failed, ok, skip, warn } from './check.ts'

/** A repository and tag that nobody has: looking for it needs all that a push needs, and leaves nothing behind. */
const PROBED_REPOSITORY = 'imgctl-doctor'
const PROBED_TAG = 'none'

export async function checkServer(probes: Pick<Probes, 'target'>, config: AskedConfig): Promise<Finding> {
  const { server } = await probes.target()
  const { name, version, platforms } = await config
  return ok(`${server} answers: ${name} ${version}, for ${platforms.join(', ')}`)
}

/** Whose key it is, where it comes from, and whether the server takes it. */
export async function checkLogin(
  probes: Pick<Probes, 'session' | 'server'>,
  config: AskedConfig,
  signal: AbortSignal,
): Promise<Finding> {
  const { server, profile, origin, method, bearer } = await probes.session()
  const what = method === 'oauth' ? 'the login' : 'the key'
  const key = profile === undefined ? `${what} of the ${origin}` : `${what} of profile ${profile} (${origin})`
  if (!(await answers(config))) return skip(`${key} was not tried: ${NO_SERVER}`)
  const api = await probes.server()
  const me = await api.me(signal)
  const found = `${me.name}, organization ${me.organization.slug}, at ${server}, with ${key}`
  const end = await loginExpiry({ method, bearer }, me, api, signal)
  const permissions = [
    `permissions: ${me.permissions.join(', ') || 'none'}`,
    ...(end === null
      ? []
      : [method === 'oauth' ? `access token until ${end}, renewed by itself` : `until ${end}`]),
  ]
  if (me.permissions.includes('write:images') || me.permissions.includes('admin'))
    return ok(found, permissions)
  const fix = 'log in with a key that has the permission write:images: imgctl login'
  return warn(`${found}, which may not push`, fix, permissions)
}

/** The registry, with credentials as a push gets them. */
export async function checkRegistry(
  probes: Pick<Probes, 'session' | 'server' | 'openRepository'>,
  config: AskedConfig,
  signal: AbortSignal,
): Promise<Finding> {
  if (!(await answers(config))) return skip(NO_SERVER)
  if (!(await isLoggedIn(probes))) return skip('nobody is logged in')
  const { registry } = await config
  const access = await (await probes.server())
    .pushAccess(PROBED_REPOSITORY, signal)
    .catch((error: unknown) => {
      if (isCode(error, 'FORBIDDEN', 'AUTH_REQUIRED')) return undefined
      throw error
    })
  if (access === undefined) return skip('the server gives this key no access to it')
  const open = await probes.openRepository()
  const repository = open({
    host: access.registryUrl,
    secure: registry.secure,
    repository: `${access.project}/${PROBED_REPOSITORY}`,
    credentials: { username: access.username, password: access.secret },
  })
  try {
    await repository.manifestDigest(PROBED_TAG, signal)
  } catch (error) {
    signal.throwIfAborted()
    const { fix = reach(access.registryUrl), ...finding } = failed(error)
    return { ...finding, fix }
  }
  const scheme = registry.secure ? 'TLS' : 'plain HTTP'
  const found = `${access.registryUrl} takes pushes to ${access.project}/ (${scheme})`
  if (registry.secure || isLoopback(access.registryUrl)) return ok(found)
  return warn(
    found,
    'give the server TLS, so that nobody on the way reads what is pushed: imgctl serve --help',
  )
}

function reach(host: string): string {
  return `the server says that its registry is ${host}: it must be reached under this name from here`
}

async function isLoggedIn(probes: Pick<Probes, 'session'>): Promise<boolean> {
  return probes.session().then(
    () => true,
    () => false,
  )
}
