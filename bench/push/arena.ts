import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Registry, startRegistry } from '../../test/services/registry.ts'
import { cacheFolder } from '../../test/services/sid-root.ts'
import { sidProcess } from '../../test/services/tools.ts'
import { measure, type Program, type Run } from '../measure.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')

/** Where contestants meet: each gets a registry of its own (CNCF distribution), empty at first. */
export class Arena {
  readonly #runFolder: string
  /** Small files of one bench: blob caches, changed layers. */
  readonly folder: string
  #registries = 0

  private constructor(runFolder: string, folder: string) {
    this.#runFolder = runFolder
    this.folder = folder
  }

  static async open(runFolder: string): Promise<Arena> {
    return new Arena(runFolder, await mkdtemp(join(tmpdir(), 'imgctl-bench-')))
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Runs `action` with a new registry, and throws its content away. */
  async withRegistry<T>(action: (registry: Registry) => Promise<T>): Promise<T> {
    const registry = await startRegistry(this.#runFolder, { name: `bench-${this.#registries++}` })
    // What the ones before wrote must not be this one's to wait for.
    spawnSync('sync')
    try {
      return await action(registry)
    } finally {
      await registry.stop()
      await rm(dirname(registry.storagePath), { recursive: true, force: true })
    }
  }

  /** The environment of an imgctl that has never pushed. */
  async newUser(dockerHost?: string): Promise<Record<string, string>> {
    const home = await mkdtemp(join(this.folder, 'user-'))
    return {
      IMGCTL_CONFIG_DIR: join(home, 'config'),
      XDG_CACHE_HOME: join(home, 'cache'),
      XDG_STATE_HOME: join(home, 'state'),
      ...(dockerHost === undefined ? {} : { DOCKER_HOST: dockerHost }),
    }
  }
}

export function imgctlPush(source: string, to: string, env: Record<string, string>): Promise<Run> {
  return measure({ command: [...pushCommand(source, to), '--progress', 'none'], env })
}

export function pushCommand(source: string, to: string): readonly string[] {
  return [process.execPath, PROGRAM, 'image', 'push', source, '--to', to]
}

/** Through the engine, which does the work: only the seconds say something. */
export async function dockerPush(source: string, to: string, dockerHost: string): Promise<Run> {
  docker(dockerHost, 'tag', source, to)
  const { seconds } = await measure({ command: ['docker', '--host', dockerHost, 'push', '--quiet', to] })
  return { seconds, cpu: Number.NaN, rss: Number.NaN }
}

export function skopeoCopy(from: string, to: string, options: readonly string[] = []): Promise<Run> {
  const copy = ['--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false', ...options]
  return measure(sid('skopeo', [...copy, from, `docker://${to}`]))
}

export function cranePush(archive: string, to: string): Promise<Run> {
  return measure(sid('crane', ['push', archive, to]))
}

function sid(program: string, args: readonly string[]): Program {
  return { command: sidProcess(program, args, { folders: [cacheFolder()] }) }
}

/** A docker command that must succeed; what it printed. */
export function docker(host: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('docker', ['--host', host, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

/** Bytes of an image's layers in a registry, each once. */
export async function storedBytes(
  { url }: Pick<Registry, 'url'>,
  repository: string,
  tag: string,
): Promise<number> {
  const accept =
    'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json'
  const index = 'application/vnd.oci.image.index.v1+json'
  const get = async (reference: string) => {
    const answer = await fetch(`${url}/v2/${repository}/manifests/${reference}`, {
      headers: { accept: `${accept}, ${index}` },
    })
    if (!answer.ok) throw new Error(`${repository}:${reference} answered ${answer.status}`)
    return (await answer.json()) as { layers?: Layer[]; manifests?: { digest: string }[] }
  }
  const top = await get(tag)
  const { layers = [] } = top.layers ? top : await get(top.manifests![0]!.digest)
  return [...new Map(layers.map(({ digest, size }) => [digest, size])).values()].reduce((a, b) => a + b, 0)
}

interface Layer {
  readonly digest: string
  readonly size: number
}
