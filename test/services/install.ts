import { accessSync, constants, existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { mustRun, run } from './command.ts'
import { withLock } from './lock.ts'
import { buildSidRoot, cacheFolder, sidRootExists } from './sid-root.ts'

/** Each part a service may need: the host program that proves it is there, and its Debian package. */
const HOST_PARTS = {
  dockerd: { program: 'dockerd', package: 'docker.io' },
  ip: { program: 'ip', package: 'iproute2' },
  podman: { program: 'podman', package: 'podman' },
  conmon: { program: 'conmon', package: 'conmon' },
  netavark: { program: '/usr/lib/podman/netavark', package: 'netavark' },
  registry: { program: 'docker-registry', package: 'docker-registry' },
  skopeo: { program: 'skopeo', package: 'skopeo' },
  buildah: { program: 'buildah', package: 'buildah' },
  umoci: { program: 'umoci', package: 'umoci' },
  busybox: { program: '/bin/busybox', package: 'busybox-static' },
  debootstrap: { program: 'debootstrap', package: 'debootstrap' },
  tmux: { program: 'tmux', package: 'tmux' },
  zstd: { program: 'zstd', package: 'zstd' },
  zsh: { program: 'zsh', package: 'zsh' },
  fish: { program: 'fish', package: 'fish' },
  xz: { program: 'xz', package: 'xz-utils' },
  bzip2: { program: 'bzip2', package: 'bzip2' },
  curl: { program: 'curl', package: 'curl' },
  chromium: { program: 'chromium', package: 'chromium' },
  keyring: { program: 'gnome-keyring-daemon', package: 'gnome-keyring' },
  secretTool: { program: 'secret-tool', package: 'libsecret-tools' },
  dbus: { program: 'dbus-run-session', package: 'dbus' },
} as const satisfies Record<string, { program: string; package: string }>

export type PartName = keyof typeof HOST_PARTS | 'sid'

/** The parts that are missing and why; empty when everything is there. */
export type MissingParts = Partial<Record<PartName, string>>

/** A mirror slower than this counts as unreachable. */
const APT_TIMEOUT_MS = 10 * 60_000

/** Programs of maintainer scripts that start daemons; the installer puts empty ones before them on PATH. */
const DAEMON_STARTERS = ['invoke-rc.d', 'deb-systemd-invoke', 'systemctl', 'service']

/**
 * Installs what the services need and this machine lacks: on Debian as root with apt and
 * debootstrap, elsewhere nothing. Never throws for a part: the result names what is missing and why.
 */
export async function installPrerequisites(log: (line: string) => void): Promise<MissingParts> {
  if (absentParts().length === 0 && sidRootExists()) return {}
  const obstacle = installObstacle()
  if (obstacle !== undefined) return missing(() => obstacle)
  const failures: MissingParts = {}
  if (absentParts().length > 0) {
    const error = await attempt(() => installPackages(log))
    if (error !== undefined) for (const part of absentParts()) failures[part] = error
  }
  if (!sidRootExists() && findProgram('debootstrap') !== undefined) {
    const error = await attempt(() => buildSidRoot(log))
    if (error !== undefined) failures.sid = error
  }
  return missing((part) => failures[part] ?? 'not installed')
}

/** The absolute path of a program, or undefined. Looks in the sbin folders too: PATH often lacks them. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  const candidates = name.startsWith('/') ? [name] : folders.map((folder) => join(folder, name))
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function hostPartNames(): (keyof typeof HOST_PARTS)[] {
  return Object.keys(HOST_PARTS) as (keyof typeof HOST_PARTS)[]
}

function absentParts(): (keyof typeof HOST_PARTS)[] {
  return hostPartNames().filter((part) => findProgram(HOST_PARTS[part].program) === undefined)
}

function missing(reason: (part: PartName) => string): MissingParts {
  const parts: PartName[] = sidRootExists() ? absentParts() : [...absentParts(), 'sid']
  return Object.fromEntries(parts.map((part) => [part, reason(part)]))
}

function installObstacle(): string | undefined {
  if (process.platform !== 'linux' || !existsSync('/etc/debian_version')) return 'is installed on Debian only'
  if (process.arch !== 'x64') return 'is installed on x86-64 only'
  if (process.getuid?.() !== 0) return 'is installed by root only'
  return undefined
}

async function attempt(action: () => Promise<void>): Promise<string | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function installPackages(log: (line: string) => void): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true })
  const waiting = () => log('waiting for another run that installs packages')
  await withLock(
    join(cacheFolder(), 'apt.lock'),
    async () => {
      const packages = absentParts().map((part) => HOST_PARTS[part].package)
      if (packages.length === 0) return
      const shims = await mkdtemp(join(tmpdir(), 'imgctl-apt-'))
      try {
        for (const name of DAEMON_STARTERS) {
          await writeFile(join(shims, name), '#!/bin/sh\nexit 0\n')
          await chmod(join(shims, name), 0o755)
        }
        const env = {
          DEBIAN_FRONTEND: 'noninteractive',
          LC_ALL: 'C',
          PATH: [shims, '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'].join(delimiter),
        }
        const options = { env, timeoutMs: APT_TIMEOUT_MS }
        const quiet = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300']
        log(`installing ${packages.join(', ')}`)
        // One broken third-party source makes update fail while Debian's own lists arrived; install decides.
        await run('apt-get', [...quiet, 'update'], options)
        await mustRun('apt-get', [...quiet, 'install', '--no-install-recommends', ...packages], options)
      } finally {
        await rm(shims, { recursive: true, force: true })
      }
    },
    waiting,
  )
}
