// Runs the official conformance program of the OCI distribution specification against a server of its own, with
// everything that the program can ask switched on. The program is not part of this project: its path is the argument.
// https://github.com/opencontainers/distribution-spec/tree/main/conformance
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createLog } from '../src/server/log.ts'
import { serverSettings } from '../src/server/settings.ts'
import { startServer } from '../src/server/start.ts'

/** Optional parts that are off unless asked for. Sparse manifests are the one thing that the server refuses. */
const OPTIONAL = [
  'OCI_API_BLOBS_DIGEST_HEADER',
  'OCI_API_BLOBS_UPLOAD_CANCEL',
  'OCI_API_MANIFESTS_DIGEST_HEADER',
  'OCI_API_MANIFESTS_TAG_PARAM',
]

const [argument] = process.argv.slice(2)
if (argument === undefined) {
  console.error('usage: npm run conformance -- PATH-OF-THE-CONFORMANCE-PROGRAM')
  process.exit(2)
}
const program = resolve(argument)
await access(program, constants.X_OK).catch(() => {
  console.error(`error: no program: ${program}`)
  process.exit(3)
})

const folder = await mkdtemp(join(tmpdir(), 'imgctl-conformance-'))
const settings = serverSettings({ dataDir: join(folder, 'data'), port: 0 })
const server = await startServer(settings, { log: createLog('silent') })
try {
  const results = join(folder, 'results')
  const child = spawn(program, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...Object.fromEntries(OPTIONAL.map((name) => [name, 'true'])),
      OCI_REGISTRY: new URL(server.url).host,
      OCI_TLS: 'disabled',
      OCI_REPO1: 'default/conformance/one',
      OCI_REPO2: 'default/conformance/two',
      OCI_USERNAME: 'anyone',
      OCI_PASSWORD: server.bootstrapKey,
      OCI_RESULTS_DIR: results,
    },
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  const report = await readFile(join(results, 'junit.xml'), 'utf8')
  const count = (name: string) =>
    Number(new RegExp(`<testsuite\\s[^>]*\\b${name}="(\\d+)"`).exec(report)?.[1] ?? 0)
  const [tests, failures, errors] = [count('tests'), count('failures'), count('errors')]
  for (const [, failed] of report.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<(?:failure|error)/g)) {
    console.log(`failed: ${failed}`)
  }
  console.log(`${tests} tests, ${failures + errors} failed`)
  process.exitCode = code === 0 && tests > 0 && failures + errors === 0 ? 0 : 1
} finally {
  await server.close()
  await rm(folder, { recursive: true, force: true })
}
