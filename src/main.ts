import process from 'node:process'
import { VERSION } from './cli/version.ts'

/** After a signal, what a stalled pipe has not taken in this time is not waited for. */
const LAST_WRITE_MS = 80

const args = process.argv.slice(2)
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  process.stdout.write(`imgctl ${VERSION}\n`)
} else {
  await main()
}

async function main(): Promise<void> {
  const { startRun } = await import('./cli/run.ts')
  const { stdin, stdout, stderr, env: environment } = process
  const runtime = { node: process.versions.node, platform: `${process.platform}/${process.arch}` }
  const run = startRun(args, { stdin, stdout, stderr, environment, runtime })
  process.on('SIGINT', () => run.stop('SIGINT'))
  process.on('SIGTERM', () => run.stop('SIGTERM'))
  process.on('uncaughtException', run.fail)
  process.on('unhandledRejection', run.fail)
  // Node prints warnings (an experimental module, a deprecation) that no user can act on.
  process.removeAllListeners('warning')
  stdout.on('error', run.outputFailed)
  stderr.on('error', () => {})

  const code = await run.exitCode
  const wasSignal = code > 128
  await Promise.race([
    Promise.all([flush(stdout), flush(stderr)]),
    ...(wasSignal ? [new Promise((resolve) => setTimeout(resolve, LAST_WRITE_MS))] : []),
  ])
  process.exit(code)
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writable) stream.write('', () => resolve())
    else resolve()
  })
}
