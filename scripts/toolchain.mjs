// Plain JavaScript: it runs on any Node >= 20.19, before anything is installed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MODULES = join(ROOT, 'node_modules')
const STAMP = join(MODULES, '.imgctl-installed')

/** The environment in which `node` is the pinned toolchain's, and every tool is found by name. */
export function toolEnvironment() {
  return { ...process.env, PATH: join(MODULES, '.bin') + delimiter + process.env.PATH }
}

/** Installs what package-lock.json says, unless that was done already. */
export async function ensureInstalled() {
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex')
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return
  console.error('Installing the packages of package-lock.json ...')
  const code = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (code !== 0) throw new Error(`npm ci failed (exit ${code})`)
  writeFileSync(STAMP, lock)
}

/**
 * Runs a command in the project's folder with the toolchain first on PATH.
 *
 * @returns its exit code; a signal counts as 1
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: toolEnvironment(),
      stdio: 'inherit',
      shell: process.platform === 'win32',
      ...options,
    })
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}
