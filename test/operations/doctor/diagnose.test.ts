import { expect, test } from 'vitest'
import type { Check } from '../../../src/operations/doctor/check.ts'
import { diagnose } from '../../../src/operations/doctor/diagnose.ts'
import type { FoundCredentialStore, Probes } from '../../../src/ports/diagnosis.ts'
import { ABSENT, ENGINE, never, place, probes, refuse } from './probes.ts'

const signal = new AbortController().signal

async function check(name: string, given: Probes): Promise<Check> {
  const found = (await diagnose(given, signal)).find((each) => each.name === name)
  if (!found) throw new Error(`no check ${name}`)
  return found
}

test('where all is right, all is ok, and no secret is said', async () => {
  const checks = await diagnose(probes(), signal)
  expect(checks.map(({ name, status }) => `${name}: ${status}`)).toEqual([
    'engine: ok',
    'server: ok',
    'clock: ok',
    'login: ok',
    'registry: ok',
    'credential store: ok',
    'docker credentials: ok',
    'proxy: ok',
    'certificates: ok',
    'node: ok',
    'disk: ok',
  ])
  expect(JSON.stringify(checks)).not.toContain('secret')
})

const DENIED = { reason: 'permission denied', kind: 'denied' } as const
const REFUSED = { reason: 'nothing listens there', kind: 'unreachable' } as const

test.each([
  [
    'nothing anywhere',
    [place('Docker', 'unix:///d.sock', ABSENT), place('Podman', 'unix:///p.sock', ABSENT)],
    'warn',
    'image push ./app.tar',
  ],
  [
    'a socket of root',
    [place('Docker', 'unix:///d.sock', DENIED), place('Podman', 'unix:///p.sock', ABSENT)],
    'fail',
    'usermod -aG docker',
  ],
  [
    'Colima that is stopped',
    [place('Docker', 'unix:///d.sock', ABSENT), place('Colima', 'unix:///c.sock', REFUSED)],
    'fail',
    'colima start',
  ],
  ['a wrong DOCKER_HOST', [place('DOCKER_HOST', 'unix:///d.sock', ABSENT)], 'fail', 'unset DOCKER_HOST'],
  [
    'a context that is stopped',
    [place("docker context 'x'", 'unix:///d.sock', REFUSED)],
    'fail',
    'docker context use default',
  ],
  [
    'a host that ssh does not reach',
    [place('--host', 'ssh://box', REFUSED)],
    'fail',
    'ssh ssh://box docker version',
  ],
])('engine: %s', async (_, places, status, fix) => {
  const found = await check('engine', probes({ engines: async () => places }))
  expect(found).toMatchObject({ status, fix: expect.stringContaining(fix) })
  expect(found.details).toEqual(
    places.map(
      ({ host, origin, found }) => `${host} (${origin}): ${'reason' in found ? found.reason : 'answers'}`,
    ),
  )
})

test('engine: the first that answers is told in full, and others that were noticed', async () => {
  const podman = { ...ENGINE, product: 'podman' as const, version: '4.3.1', store: 'classic' as const }
  const places = [
    place('Docker', 'unix:///d.sock', DENIED),
    place('Docker Desktop', 'unix:///dd.sock', ENGINE),
    place('Colima', 'unix:///c.sock', ABSENT),
    place('Podman', 'unix:///p.sock', podman),
  ]
  expect(await check('engine', probes({ engines: async () => places }))).toEqual({
    name: 'engine',
    status: 'ok',
    found: 'Docker 28.0.1, API 1.48, containerd store, linux/amd64, at unix:///dd.sock (Docker Desktop)',
    details: [
      'unix:///d.sock (Docker): permission denied',
      'unix:///p.sock (Podman): Podman 4.3.1, API 1.48, classic store, linux/amd64',
    ],
  })
})

test('a server that does not answer: said once, and what needs it is skipped', async () => {
  const checks = await diagnose(probes({ serverConfig: refuse('SERVER_UNREACHABLE') }), signal)
  const status = Object.fromEntries(checks.map(({ name, status }) => [name, status]))
  expect(status).toMatchObject({ server: 'fail', login: 'skip', registry: 'skip', engine: 'ok', disk: 'ok' })
  expect(checks.find(({ name }) => name === 'server')).toMatchObject({
    found: 'refused: SERVER_UNREACHABLE',
    details: ['line'],
    fix: 'mend SERVER_UNREACHABLE',
  })
})

test('nobody logged in: said by login, and the registry is skipped', async () => {
  const given = probes({ session: refuse('AUTH_REQUIRED') })
  expect(await check('login', given)).toMatchObject({ status: 'fail', fix: 'mend AUTH_REQUIRED' })
  expect(await check('registry', given)).toMatchObject({ status: 'skip' })
})

test('a key that may not push is a warning', async () => {
  const given = probes({}, { permissions: ['read:images'], pushAccess: refuse('FORBIDDEN') })
  expect(await check('login', given)).toMatchObject({
    status: 'warn',
    details: ['permissions: read:images'],
    fix: expect.stringContaining('write:images'),
  })
  expect(await check('registry', given)).toMatchObject({ status: 'skip' })
})

test('a registry that is not where the server says', async () => {
  const given = probes({}, { manifestDigest: refuse('REGISTRY_UNREACHABLE') })
  expect(await check('registry', given)).toMatchObject({
    status: 'fail',
    found: 'refused: REGISTRY_UNREACHABLE',
    fix: 'mend REGISTRY_UNREACHABLE',
  })
})

test.each([
  ['127.0.0.1:7700', false, 'ok'],
  ['localhost:5000', false, 'ok'],
  ['images.example', true, 'ok'],
  ['images.example', false, 'warn'],
  ['localhost.evil.example', false, 'warn'],
])('a registry at %s, TLS %s: %s', async (registryHost, secure, status) => {
  expect(await check('registry', probes({}, { registryHost, secure }))).toMatchObject({ status })
})

test('keys that others may read: each path with its own fix', async () => {
  const given = probes({
    credentialStore: async () => ({
      kind: 'file',
      paths: [
        { path: '/home/o brien/imgctl', mode: 0o755, wanted: 0o700 },
        { path: '/home/o brien/imgctl/credentials.json', mode: 0o644, wanted: 0o600 },
      ],
    }),
  })
  expect(await check('credential store', given)).toMatchObject({
    status: 'fail',
    details: ['/home/o brien/imgctl (0755)', '/home/o brien/imgctl/credentials.json (0644)'],
    fix: "chmod 0700 '/home/o brien/imgctl' && chmod 0600 '/home/o brien/imgctl/credentials.json'",
  })
})

test.each<[FoundCredentialStore, object]>([
  [
    { kind: 'keychain', paths: [] },
    { status: 'ok', found: 'logins are kept in the keychain' },
  ],
  [
    { kind: 'keychain', paths: [], problem: 'the keychain cannot be used: locked' },
    {
      status: 'fail',
      found: 'the keychain cannot be used: locked',
      fix: expect.stringContaining('unlock it'),
    },
  ],
  [
    { kind: 'file', paths: [], problem: 'the keychain cannot be used: locked' },
    { status: 'ok', found: 'logins are kept in a file', details: ['the keychain cannot be used: locked'] },
  ],
])('%o', async (store, finding) => {
  expect(await check('credential store', probes({ credentialStore: async () => store }))).toMatchObject(
    finding,
  )
})

test('a login says when its access token ends', async () => {
  const expiresAt = Date.parse('2030-01-01T00:00:00Z')
  const session = await probes().session()
  const oauth = { ...session, method: 'oauth' as const, bearer: { ...session.bearer, expiresAt } }
  expect(await check('login', probes({ session: async () => oauth }))).toMatchObject({
    status: 'ok',
    found: expect.stringContaining('the login of profile local (file)'),
    details: expect.arrayContaining(['access token until 2030-01-01T00:00:00.000Z, renewed by itself']),
  })
})

test('a credential helper of docker that is not there', async () => {
  const helpers = [
    { program: 'docker-credential-pass', path: undefined },
    { program: 'docker-credential-gcloud', path: '/usr/bin/docker-credential-gcloud' },
  ]
  const given = probes({
    dockerCredentials: async () => ({ file: '/c.json', helpers, others: ['DOCKER_AUTH_CONFIG'] }),
  })
  expect(await check('docker credentials', given)).toMatchObject({
    status: 'warn',
    details: [
      'docker-credential-pass: not on PATH',
      'docker-credential-gcloud: /usr/bin/docker-credential-gcloud',
      'read after it: DOCKER_AUTH_CONFIG',
    ],
    fix: expect.stringContaining('install docker-credential-pass,'),
  })
})

const VARIABLES = [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }]

test.each([
  ['used', [], 'HTTPS_PROXY', 'ok', 'the server is reached through HTTPS_PROXY'],
  ['not used', [], undefined, 'ok', 'the server is reached directly'],
  ['no proxy', ['HTTPS_PROXY'], undefined, 'fail', 'HTTPS_PROXY cannot be used'],
])('a proxy that is %s', async (_, unusable, used, status, found) => {
  const given = probes({ proxy: async () => ({ variables: VARIABLES, unusable, used }) })
  expect(await check('proxy', given)).toMatchObject({
    status,
    found,
    details: ['HTTPS_PROXY=http://proxy:3128'],
  })
})

test.each([
  [{}, 'ok'],
  [{ extraCertificates: async () => ({ file: '/ca.pem', isReadable: true }) }, 'ok'],
  [{ extraCertificates: async () => ({ file: '/ca.pem', isReadable: false }) }, 'warn'],
  [{ trustsEveryCertificate: true }, 'warn'],
])('certificates: %o: %s', async (changes, status) => {
  expect(await check('certificates', probes(changes))).toMatchObject({ status })
})

test('an old Node is a warning: only the server needs a newer one', async () => {
  const given = probes({ newerNodeForServer: 'Node.js 22.13 or newer' })
  expect(await check('node', given)).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('imgctl serve needs Node.js 22.13 or newer'),
  })
})

test.each([
  [100e9, 'ok', '100.0 GB free for /data'],
  [4.9e9, 'warn', '4.9 GB free for /data'],
  [0.4e9, 'fail', '0.4 GB free for /data'],
])('a disk with %d bytes free: %s', async (freeBytes, status, found) => {
  const given = probes({ dataDisk: async () => ({ folder: '/data', freeBytes }) })
  expect(await check('disk', given)).toMatchObject({ status, found })
})

test('the disk of a server elsewhere, or of none, is nothing to check', async () => {
  const elsewhere = { target: async () => ({ server: 'https://images.example', isLocal: false }) }
  expect(await check('disk', probes(elsewhere))).toMatchObject({ status: 'skip' })
  expect(await check('disk', probes({ dataDisk: async () => undefined }))).toMatchObject({ status: 'skip' })
})

test('what hangs is told as such, and hides nothing else', async () => {
  const checks = await diagnose(probes({ engines: never, session: never }), signal, 50)
  const found = Object.fromEntries(checks.map(({ name, found }) => [name, found]))
  expect(found).toMatchObject({ engine: 'no answer in 0.05 s', login: 'no answer in 0.05 s' })
  expect(checks.filter(({ status }) => status === 'ok')).toHaveLength(8)
})

test('a bug in one check hides nothing else', async () => {
  const broken = {
    proxy: async () => {
      throw new TypeError('broken')
    },
  }
  expect(await check('proxy', probes(broken))).toMatchObject({ status: 'fail', found: 'broken' })
  expect(await check('engine', probes(broken))).toMatchObject({ status: 'ok' })
})

test('Ctrl-C ends it', async () => {
  const controller = new AbortController()
  const running = diagnose(probes({ engines: never }), controller.signal)
  controller.abort(new Error('stopped'))
  await expect(running).rejects.toThrow('stopped')
})

const MINUTE = 60_000
test.each([
  ['ahead', 'linux/x64', 5 * MINUTE, '5 minutes ahead of', 'sudo timedatectl set-ntp true'],
  ['behind', 'darwin/arm64', -3 * 60 * MINUTE, '3 hours behind', 'sudo sntp -sS time.apple.com'],
  ['just too far ahead', 'win32/x64', 2 * MINUTE + 1, '2 minutes ahead of', 'w32tm /resync'],
])('a clock that is %s of the server on %s', async (_, platform, off, words, fix) => {
  const server = Date.UTC(2026, 0, 2, 3, 4, 5)
  const given = probes({
    runtime: { node: '24.1.0', platform },
    serverClock: async () => ({ server, here: server + off }),
  })
  expect(await check('clock', given)).toMatchObject({
    status: 'warn',
    found: expect.stringContaining(`${words} the server's`),
    fix: expect.stringContaining(fix),
    details: [expect.stringMatching(/^here: /), 'server: 2026-01-02T03:04:05.000Z'],
  })
})

test('a clock that is two minutes off, or that nobody tells, is no news', async () => {
  const near = probes({ serverClock: async () => ({ server: 0, here: -2 * MINUTE }) })
  expect(await check('clock', near)).toMatchObject({ status: 'ok' })
  expect(await check('clock', probes({ serverClock: async () => undefined }))).toMatchObject({
    status: 'skip',
  })
  const absent = probes({ serverConfig: refuse('SERVER_UNREACHABLE'), serverClock: never })
  expect(await check('clock', absent)).toMatchObject({ status: 'skip' })
})
