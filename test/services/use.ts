import { afterAll, beforeAll, describe, inject, test } from 'vitest'
import type { ServiceAddresses, ServiceName, ServicesDescription } from './index.ts'
import { type Registry, startRegistry } from './registry.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    services: ServicesDescription
  }
}

/** What global setup started for this run. */
export function services(): ServicesDescription {
  return inject('services')
}

/** The address of a service that must be there: for code inside `describeWith` of the same service. */
export function service<N extends ServiceName>(name: N): ServiceAddresses[N] {
  const state = services()[name]
  if (!state.available) throw new Error(`the service ${name} is not available: ${state.reason}`)
  return state as ServiceAddresses[N]
}

/**
 * A block of tests that needs real services. Where one is missing the block is skipped under a title
 * that says why; with CI=true it fails, because a skipped test proves nothing.
 */
export function describeWith(needed: readonly ServiceName[], title: string, block: () => void): void {
  const all = services()
  const reasons = needed.flatMap((name) => {
    const state = all[name]
    return state.available ? [] : [`${name}: ${state.reason}`]
  })
  if (reasons.length === 0) {
    describe(title, block)
    return
  }
  const why = `needs ${reasons.join('; ')}`
  // The block itself may not run: it may ask for the missing service at once.
  if (process.env.CI === 'true') {
    describe(title, () => {
      test(why, () => {
        throw new Error(why)
      })
    })
  } else {
    describe.skip(`${title} (${why})`, () => {
      test('skipped', () => {})
    })
  }
}

let registries = 0

/**
 * Gives the tests of the current block a registry of their own, empty at first; call the returned
 * function inside a test. Starts in about 50 ms. To be used wherever a test pushes: the registry's
 * filesystem driver does not write atomically, so two test files that push the same blobs to the
 * shared one get errors like `digest invalid` now and then.
 */
export function ownRegistry(options: { auth?: boolean } = {}): () => Registry {
  let registry: Registry | undefined
  beforeAll(async () => {
    const name = `registry-${process.pid}-${registries++}`
    registry = await startRegistry(services().runFolder, { name, ...options })
  })
  afterAll(() => registry?.stop())
  return () => {
    if (registry === undefined) throw new Error('the registry is there inside tests only')
    return registry
  }
}
