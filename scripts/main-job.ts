/**
 * The main job, as a newcomer would do it by hand: a server, a key, an image from an engine when one answers, an image
 * from an archive always, the list. Every command goes through the built program. Nothing stays behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildHello, removeHello, saveHello } from './hello-image.ts'

const PROGRAM = join(import.meta.dirname, '../bin/imgctl.js')
/** A cold start takes less than a second; a loaded machine gets its time. */
const START_TIMEOUT_MS = 30_000

const folder = await mkdtemp(join(tmpdir(), 'imgctl-quickstart-'))
const environment = {
  ...process.env,
  IMGCTL_CONFIG_DIR: join(folder, 'config'),
  XDG_CACHE_HOME: join(folder, 'cache'),
  IMGCTL_API_KEY: undefined,
  IMGCTL_SERVER: undefined,
  IMGCTL_PROFILE: undefined,
}
let server: ChildProcess | undefined
process.once('SIGINT', () => cleanUp().then(() => process.exit(130)))
process.once('SIGTERM', () => cleanUp().then(() => process.exit(143)))

try {
  process.exitCode = await mainJob()
} finally {
  await cleanUp()
}

async function mainJob(): Promise<number> {
  say('Starting a server on a free port, its data in a new folder')
  server = await startServer()
  let code = await imgctl('whoami', '--format', 'yaml')

  const tag = 'imgctl-hello:1.0'
  const engine = await buildHello(tag)
  if (engine === undefined)
    say('No Docker-compatible engine answers here: the image comes from an archive alone')
  else {
    say(`Built examples/hello/Dockerfile in the engine at ${engine}`)
    code ||= await imgctl('image', 'push', tag)
    await removeHello(tag)
  }

  const archive = join(folder, 'hello.tar')
  await saveHello(archive, 'hello:1.0')
  say('Made a docker-save archive: pushing it needs no engine')
  code ||= await imgctl('image', 'push', archive)
  code ||= await imgctl('image', 'list')
  if (code !== 0) return code

  console.log(`
Done. That server is gone again; to keep one:

    npx imgctl serve                                  # in one terminal; or: node bin/imgctl.js serve
    npx imgctl image push IMAGE                       # in another: an image of your engine, or ./app.tar
    npx imgctl image list

The first start logs you in. npx imgctl --help shows the rest; npm test runs every test.`)
  return 0
}

/** Resolves when the server says that it serves; its first start stores the key as a profile. */
async function startServer(): Promise<ChildProcess> {
  const args = [PROGRAM, 'serve', '--port', '0', '--data', join(folder, 'server'), '--log-level', 'warn']
  const child = spawn('node', args, { env: environment, stdio: ['ignore', 'inherit', 'pipe'] })
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the server did not start')), START_TIMEOUT_MS)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      process.stderr.write(text)
      if (text.includes('logged in')) resolve(clearTimeout(timer))
    })
    child.once('exit', (code) => reject(new Error(`the server ended with exit code ${code}`)))
    child.once('error', reject)
  })
  await ready
  return child
}

async function imgctl(...args: string[]): Promise<number> {
  console.log(`\n$ imgctl ${args.join(' ')}`)
  const child = spawn('node', [PROGRAM, ...args], {
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code] = await once(child, 'close')
  return code ?? 1
}

async function cleanUp(): Promise<void> {
  if (server && server.exitCode === null && server.signalCode === null) {
    server.kill('SIGTERM')
    await once(server, 'exit')
  }
  await rm(folder, { recursive: true, force: true })
}

function say(text: string): void {
  console.log(`\n== ${text}`)
}
