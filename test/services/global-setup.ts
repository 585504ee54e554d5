import type { TestProject } from 'vitest/node'
import { type Services, startServices, stopServices } from './index.ts'

/** Each vitest project loads this file on its own; the process they share keeps the one set of services. */
interface Shared {
  users: number
  started: Promise<Services>
}

const KEY = Symbol.for('imgctl.test.services')
const shared = globalThis as { [KEY]?: Shared | undefined }

/** Starts the services for the first project that asks; the last project's teardown stops them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared[KEY] ??= { users: 0, started: startServices({ log }) }
  const current = shared[KEY]
  current.users += 1
  const { description } = await current.started
  project.provide('services', description)
  return async () => {
    current.users -= 1
    if (current.users > 0) return
    shared[KEY] = undefined
    await stopServices()
  }
}

function log(line: string): void {
  process.stderr.write(`test services: ${line}\n`)
}
