import { enableCompileCache } from './cli/compile-cache.ts'

/** After a signal, what a stalled pipe has not taken in this time is not waited for. */
const LAST_WRITE_MS = 80

// Before any other file is loaded.
enableCompileCache(process.env)
const { startRun } = await import('./cli/run.ts')

await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<void> {
  const opened: NodeJS.WriteStream[] = []
  const open = (stream: NodeJS.WriteStream, onError: (error: unknown) => void) => {
    opened.push(stream.on('error', onError))
    return stream
  }
  const run = startRun(args, {
    stdin: () => process.stdin,
    stdout: () => open(process.stdout, (error) => run.outputFailed(error)),
    stderr: () => open(process.stderr, () => {}),
    // Listened to only when a command wants it: under nohup the others must go on ignoring it.
    onHangup: (action) => process.on('SIGHUP', action),
    environment: process.env,
    runtime: { node: process.versions.node, platform: `${process.platform}/${process.arch}` },
  })
  process.on('SIGINT', () => run.stop('SIGINT'))
  process.on('SIGTERM', () => run.stop('SIGTERM'))
  process.on('uncaughtException', run.fail)
  process.on('unhandledRejection', run.fail)
  // Node prints warnings (an experimental module, a deprecation) that no user can act on.
  process.removeAllListeners('warning')

  const code = await run.exitCode
  const wasSignal = code > 128
  await Promise.race([
    Promise.all(opened.map(flush)),
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
