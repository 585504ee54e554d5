import { afterEach } from 'vitest'
import type { ImgctlError } from '../../src/errors/error.ts'
import { createRegistryClient, type RegistryClientOptions } from '../../src/registry/client.ts'
import { type FaultyRegistry, startFaultyRegistry } from './faulty-registry.ts'

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

/** A registry that ends with the test. */
export async function faultyRegistry(): Promise<FaultyRegistry> {
  const registry = await startFaultyRegistry()
  open.push(registry)
  return registry
}

/** A client with waits too short to notice, and the failures that it tried again. It ends with the test. */
export function openClient(options: RegistryClientOptions = {}) {
  const retried: ImgctlError[] = []
  const client = createRegistryClient({
    retry: { baseMs: 1, maxMs: 2 },
    onRetry: (error) => retried.push(error),
    ...options,
  })
  open.push(client)
  return { client, retried }
}

/** What a promise was rejected with. */
export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it should have failed')
    },
    (error: unknown) => error,
  )
}
