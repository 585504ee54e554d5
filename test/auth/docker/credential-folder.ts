import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DockerCredentials, dockerCredentials } from '../../../src/auth/docker/docker-credentials.ts'
import { temporaryFolder } from '../../config/temporary-folder.ts'

export interface CredentialFolder {
  readonly home: string
  readonly configFile: string
  readonly credentials: DockerCredentials
  /** Makes `docker-credential-NAME` on PATH: a shell script with this body. */
  readonly helper: (name: string, script: string) => string
}

/** A home folder with docker's config, and a folder on PATH for helpers: removed when the test ends. */
export function credentialFolder(
  config: unknown,
  variables: Readonly<Record<string, string>> = {},
  settings: { readonly helperTimeoutMs?: number } = {},
): CredentialFolder {
  const home = temporaryFolder()
  const configFile = join(home, '.docker', 'config.json')
  const bin = join(home, 'bin')
  mkdirSync(join(home, '.docker'))
  mkdirSync(bin)
  if (config !== undefined) {
    writeFileSync(configFile, typeof config === 'string' ? config : JSON.stringify(config))
  }
  const environment = { PATH: `${bin}:/usr/bin:/bin`, ...variables }
  return {
    home,
    configFile,
    credentials: dockerCredentials({ variables: environment, home, platform: 'linux', ...settings }),
    helper: (name, script) => {
      const file = join(bin, `docker-credential-${name}`)
      writeFileSync(file, `#!/bin/sh\n${script}\n`)
      chmodSync(file, 0o755)
      return file
    },
  }
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
