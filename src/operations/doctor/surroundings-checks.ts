import type { PrivatePath, Probes } from '../../ports/diagnosis.ts'
import { type Finding, fail, ok, shellWord, skip, warn } from './check.ts'

/** Too little for one large image. */
const LOW_DISK_BYTES = 5e9
/** Too little for the server's database and any image. */
const FULL_DISK_BYTES = 500e6
/** Permissions of a file's group and of everybody. */
const OTHERS = 0o077

export async function checkNode({ runtime, newerNodeForServer }: Probes): Promise<Finding> {
  const found = `Node.js ${runtime.node} on ${runtime.platform}`
  if (newerNodeForServer === undefined) return ok(found)
  const fix = 'only to run the server here: npx -p node@24 -p imgctl imgctl serve'
  return warn(`${found}; imgctl serve needs ${newerNodeForServer}`, fix)
}

/** Where logins are kept, and that nobody else on this machine can read them. */
export async function checkCredentialStore(probes: Probes): Promise<Finding> {
  const { kind, paths, problem } = await probes.credentialStore()
  if (kind === 'keychain') {
    if (problem === undefined) return ok('logins are kept in the keychain')
    return fail(problem, 'unlock it, or keep logins in a file: export IMGCTL_CREDENTIAL_STORE=file')
  }
  const found = 'logins are kept in a file'
  const files = paths.map(({ path, mode }) => `${path} (${octal(mode)})`)
  const details = [...(problem === undefined ? [] : [problem]), ...files]
  const open = paths.filter(({ mode }) => (mode & OTHERS) !== 0)
  if (open.length === 0) return ok(found, details)
  return fail(`${found} that others on this machine may open`, open.map(chmod).join(' && '), details)
}

function chmod({ path, wanted }: PrivatePath): string {
  return `chmod ${octal(wanted)} ${shellWord(path)}`
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

/** The helpers that docker's config names: a build or a push to another registry asks them. */
export async function checkDockerCredentials(probes: Probes): Promise<Finding> {
  const { file, helpers, others } = await probes.dockerCredentials()
  const further = others.map((other) => `read after it: ${other}`)
  if (helpers.length === 0) return ok(`no credential helper in ${file}`, further)
  const missing = [...new Set(helpers.filter(({ path }) => path === undefined).map(({ program }) => program))]
  const details = [...helpers.map(({ program, path }) => `${program}: ${path ?? 'not on PATH'}`), ...further]
  if (missing.length === 0) return ok(`the credential helpers of ${file} are there`, details)
  const fix = `install ${missing.join(', ')}, or take the name out of ${file} and log in again: docker login`
  return warn(`${file} names credential helpers that are not there`, fix, details)
}

/** The proxy variables, and whether the way to the server leads through one. */
export async function checkProxy(probes: Probes): Promise<Finding> {
  const { variables, unusable, used } = await probes.proxy()
  const details = variables.map(({ name, value }) => `${name}=${value}`)
  if (unusable.length > 0) {
    const fix = `export HTTPS_PROXY=http://HOST:PORT, or: unset ${unusable.join(' ')}`
    return fail(`${unusable.join(', ')} cannot be used`, fix, details)
  }
  if (variables.length === 0) return ok('none is set: connections are direct')
  return ok(used ? `the server is reached through ${used}` : 'the server is reached directly', details)
}

/** What is trusted beside the authorities that Node brings along. */
export async function checkCertificates(probes: Probes): Promise<Finding> {
  const extra = await probes.extraCertificates()
  if (probes.trustsEveryCertificate) {
    const fix =
      'name your authority instead: unset NODE_TLS_REJECT_UNAUTHORIZED; export NODE_EXTRA_CA_CERTS=FILE'
    return warn('NODE_TLS_REJECT_UNAUTHORIZED=0: no certificate is checked, keys may go to anybody', fix)
  }
  if (extra === undefined) return ok('the authorities that Node.js trusts')
  if (extra.isReadable) return ok(`the authorities that Node.js trusts, and ${extra.file}`)
  return warn(
    `NODE_EXTRA_CA_CERTS: ${extra.file} cannot be read, and Node.js goes on without it`,
    'correct the path',
  )
}

/** The room for a server's data on this machine. */
export async function checkDisk(probes: Probes): Promise<Finding> {
  if (!(await probes.target()).isLocal) return skip('the server is on another machine')
  const disk = await probes.dataDisk()
  if (disk === undefined) return skip('no server keeps its data here')
  const found = `${(disk.freeBytes / 1e9).toFixed(1)} GB free for ${disk.folder}`
  const fix =
    'imgctl image list --sort sizeBytes --order desc, and delete what is not needed: imgctl image delete'
  if (disk.freeBytes < FULL_DISK_BYTES) return fail(found, fix)
  return disk.freeBytes < LOW_DISK_BYTES ? warn(found, fix) : ok(found)
}
