import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Context {
  readonly host: string
  readonly skipTlsVerify?: boolean
  readonly tls?: Readonly<Record<string, string>>
}

/** Writes a docker context into docker's config folder, in the form that `docker context create` gives it. */
export async function writeContext(
  folder: string,
  name: string,
  { host, skipTlsVerify, tls }: Context,
): Promise<void> {
  const id = createHash('sha256').update(name).digest('hex')
  const meta = join(folder, 'contexts/meta', id)
  await mkdir(meta, { recursive: true })
  const docker = { Host: host, SkipTLSVerify: skipTlsVerify ?? false }
  await writeFile(join(meta, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker } }))
  if (!tls) return
  const material = join(folder, 'contexts/tls', id, 'docker')
  await mkdir(material, { recursive: true })
  for (const [file, content] of Object.entries(tls)) await writeFile(join(material, file), content)
}
