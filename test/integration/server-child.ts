import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { basic, Client } from '../server/registry-context.ts'

const SERVER = new URL('../../src/server/', import.meta.url)

/** A server of this source as a process of its own, which a test can kill. */
export interface ServerChild {
  readonly url: string
  readonly port: number
  /** The first API key; empty when it is not the first start. */
  readonly key: string
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
}

export async function startServerChild(
  dataDir: string,
  settings: { readonly graceMs?: number } = {},
): Promise<ServerChild> {
  const script = `
    const { startServer } = await import('${SERVER}start.ts')
    const { serverSettings } = await import('${SERVER}settings.ts')
    const chosen = ${JSON.stringify({ port: 0, dataDir, logLevel: 'silent', ...settings })}
    const { url, port, bootstrapKey } = await startServer(serverSettings(chosen))
    console.log(JSON.stringify({ url, port, key: bootstrapKey ?? '' }))`
  const { line, kill } = await startScript(script)
  return { kill, ...(JSON.parse(line) as { url: string; port: number; key: string }) }
}

/** Runs a module's text in a process of its own. Resolves with the first line that it prints. */
export async function startScript(script: string): Promise<{ line: string; kill(): Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  onTestFinished(kill)
  const [line] = (await Promise.race([
    once(createInterface(child.stdout!), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the process ended with ${code}`))),
  ])) as [string]
  return { line, kill }
}

export function clientOf({ url, port }: ServerChild, key: string): Client {
  return new Client({ url, port, close: async () => {} }, basic(key))
}
