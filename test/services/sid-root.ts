import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './command.ts'
import { withLock } from './lock.ts'

/** Docker 28.5.2 and the client tools exist only in Debian's rolling suite. */
const SUITE = 'sid'
const MIRROR = 'http://deb.debian.org/debian'
// netavark is here because debootstrap does not resolve skopeo's virtual `container-network-stack`.
const PACKAGES = [
  'ca-certificates',
  'containerd',
  'crane',
  'docker-buildx',
  'docker-cli',
  'docker.io',
  'iptables',
  'netavark',
  'oras',
  'runc',
  'skopeo',
]

/** debootstrap takes about 70 s on a good line; a mirror slower than this counts as unreachable. */
const BUILD_TIMEOUT_MS = 15 * 60_000

/** The per-machine folder that survives runs. */
export function cacheFolder(): string {
  return process.env.IMGCTL_TEST_CACHE ?? '/var/cache/imgctl-test'
}

/** Where the finished root is. The name carries the package list, so a changed list builds a new root. */
export function sidRootPath(): string {
  const recipe = createHash('sha256')
    .update([SUITE, MIRROR, ...PACKAGES].join(' '))
    .digest('hex')
  return join(cacheFolder(), `${SUITE}-${recipe.slice(0, 12)}`)
}

export function sidRootExists(): boolean {
  return existsSync(sidRootPath())
}

/**
 * Builds the root beside its place and renames it there, so a root that exists is a whole one.
 * debootstrap runs in its own process and mount namespaces, which end with us: an interrupted
 * build leaves a folder, never a process or a mounted /proc in it.
 */
export async function buildSidRoot(log: (line: string) => void): Promise<void> {
  const target = sidRootPath()
  const waiting = () => log('waiting for another run that builds the sid root')
  await withLock(
    join(cacheFolder(), 'sid.lock'),
    async () => {
      if (existsSync(target)) return
      await removeHalfRoots()
      const half = `${target}.half-${process.pid}`
      await mkdir(half, { recursive: true })
      log(`building ${target} with debootstrap (about 70 s)`)
      try {
        await debootstrap(half)
        await rename(half, target)
      } finally {
        await rm(half, { recursive: true, force: true })
      }
    },
    waiting,
  )
}

async function debootstrap(folder: string): Promise<void> {
  const result = await run(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
      .concat('debootstrap', '--variant=minbase', `--include=${PACKAGES.join(',')}`)
      .concat(SUITE, folder, MIRROR),
    { env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }, timeoutMs: BUILD_TIMEOUT_MS },
  )
  if (result.code !== 0) {
    const logged = await readFile(join(folder, 'debootstrap/debootstrap.log'), 'utf8').catch(() => '')
    const tail = `${result.stderr}${logged}`.trim().split('\n').slice(-12).join('\n')
    throw new Error(`debootstrap ${SUITE} from ${MIRROR} ended with code ${result.code}: ${tail}`)
  }
  await rm(join(folder, 'var/cache/apt'), { recursive: true, force: true })
  await rm(join(folder, 'var/lib/apt/lists'), { recursive: true, force: true })
}

/** Only called under the lock: whoever made a half root is gone. */
async function removeHalfRoots(): Promise<void> {
  for (const name of await readdir(cacheFolder())) {
    if (name.includes('.half-')) await rm(join(cacheFolder(), name), { recursive: true, force: true })
  }
}
