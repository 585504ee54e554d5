import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from './daemon.ts'
import { findProgram } from './install.ts'

export interface RegistryAddress {
  /** `127.0.0.1:PORT`, the first part of references. */
  host: string
  /** `http://127.0.0.1:PORT`. */
  url: string
}

export interface Credentials {
  username: string
  password: string
}

export interface Registry extends RegistryAddress {
  /** The access log: one line per request. */
  logPath: string
  /** The blob store's root. */
  storagePath: string
  stop(): Promise<void>
}

/** The one user of a registry that wants basic auth. */
export const REGISTRY_USER: Credentials = { username: 'imgctl', password: 'upstream-password' }

// `htpasswd -nbBC 5` of REGISTRY_USER: the registry accepts bcrypt only.
const HTPASSWD = 'imgctl:$2y$05$EyPGV8KTE6JixH0dHPmOIunx492e5gtKqYeyYDnlqDY0buv1ATcMK\n'

export interface RegistryOptions {
  /** Names its folder in the run folder; one per registry of a run. */
  name: string
  /** Ask for REGISTRY_USER by basic auth. */
  auth?: boolean
  /** A port of its own choice when absent; set it to start a stopped registry again. */
  port?: number
}

/** Starts CNCF distribution on loopback, plain HTTP, delete enabled. A folder that exists keeps its content. */
export async function startRegistry(runFolder: string, options: RegistryOptions): Promise<Registry> {
  const folder = join(runFolder, options.name)
  const storagePath = join(folder, 'data')
  await mkdir(storagePath, { recursive: true })
  const htpasswd = join(folder, 'htpasswd')
  await writeFile(htpasswd, HTPASSWD)
  const config = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: storagePath }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${options.port ?? 0}`, secret: options.name },
    ...(options.auth ? { auth: { htpasswd: { realm: 'imgctl-test', path: htpasswd } } } : {}),
  }
  // JSON is YAML.
  const configPath = join(folder, 'config.yml')
  await writeFile(configPath, JSON.stringify(config))
  const logPath = join(runFolder, `${options.name}.log`)
  await writeFile(logPath, '')
  let port: string | undefined
  const daemon = await startDaemon({
    name: options.name,
    runFolder,
    command: [findProgram('docker-registry') ?? 'docker-registry', 'serve', configPath],
    ready: async () => {
      port = /listening on 127\.0\.0\.1:(\d+)/.exec(await readFile(logPath, 'utf8'))?.[1]
      return port !== undefined
    },
  })
  const host = `127.0.0.1:${port}`
  return { host, url: `http://${host}`, storagePath, logPath: daemon.logPath, stop: daemon.stop }
}
