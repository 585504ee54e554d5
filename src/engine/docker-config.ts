import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { hasSystemCode, systemCode } from '../internal/system-code.ts'
import { type Endpoint, parseEndpoint, type TlsMaterial } from './endpoint.ts'
import { asFields, type Fields, stringAt } from './json-fields.ts'

/** The context that means "no context": the usual sockets. */
export const DEFAULT_CONTEXT = 'default'

/**
 * The context chosen with `docker context use`; undefined when there is none.
 *
 * @throws ImgctlError FILE_UNREADABLE when config.json is there and cannot be read as JSON
 */
export async function currentContext(folder: string): Promise<string | undefined> {
  return stringAt(await readOptionalJson(join(folder, 'config.json')), 'currentContext')
}

/**
 * The engine of a docker context, with its TLS material. The store is docker's own:
 * https://github.com/docker/cli/tree/master/cli/context/store (meta and tls folders named by the name's sha256).
 *
 * @throws ImgctlError NOT_FOUND naming the contexts that there are, FILE_UNREADABLE, USAGE
 */
export async function contextEndpoint(folder: string, name: string): Promise<Endpoint> {
  const id = createHash('sha256').update(name).digest('hex')
  const meta = await readOptionalJson(join(folder, 'contexts', 'meta', id, 'meta.json'))
  const engine = asFields(asFields(meta['Endpoints'])['docker'])
  const host = stringAt(engine, 'Host')
  if (host === undefined) {
    const known = [DEFAULT_CONTEXT, ...(await contextNames(folder))].map(makeVisible)
    throw new ImgctlError('NOT_FOUND', `docker has no context '${makeVisible(name)}' in ${folder}`, {
      hint: `contexts: ${known.join(', ')}`,
    })
  }
  const verify = engine['SkipTLSVerify'] !== true
  const tls = await readTls(join(folder, 'contexts', 'tls', id, 'docker'), verify)
  return parseEndpoint(host, `the host of docker context '${name}'`, hasTls(tls, verify) ? tls : undefined)
}

/** The contexts that docker has, in the order of their names. One that cannot be read is left out. */
async function contextNames(folder: string): Promise<string[]> {
  const store = join(folder, 'contexts', 'meta')
  const ids = await readdir(store).catch(() => [])
  const names = ids.map(async (id) => {
    const meta = await readOptionalJson(join(store, id, 'meta.json')).catch(() => ({}))
    return stringAt(meta, 'Name') ?? []
  })
  return (await Promise.all(names)).flat().sort()
}

/** ca.pem, cert.pem and key.pem of a folder: those that are there. */
export async function readTls(folder: string, verify: boolean): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readOptional(join(folder, name))),
  )
  return { verify, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) }
}

/** A context has TLS when it has any material, or says that the certificate is not to be checked. */
function hasTls(tls: TlsMaterial, verify: boolean): boolean {
  return !verify || tls.ca !== undefined || tls.cert !== undefined || tls.key !== undefined
}

/** A JSON file's object; one without fields when there is no file. */
async function readOptionalJson(path: string): Promise<Fields> {
  const bytes = await readOptional(path)
  if (bytes === undefined) return {}
  try {
    return asFields(JSON.parse(bytes.toString('utf8')))
  } catch {
    throw new ImgctlError('FILE_UNREADABLE', `${path} is not valid JSON`, {
      hint: 'correct it, or move it away: docker writes a new one',
    })
  }
}

async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (hasSystemCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw new ImgctlError('FILE_UNREADABLE', `${path} cannot be read: ${systemCode(error)}`, { cause: error })
  }
}
