import { describe, test } from 'vitest'
import { apiKey, basic, serve, testContext } from '../server/registry-context.ts'
import { ALL_RULES } from './all-rules.ts'
import { Registry } from './registry.ts'
import { titleOf } from './rules.ts'

/** What the specification asks of a registry, asked of the server in this process. */
describe('OCI distribution specification 1.1', () => {
  test.each(ALL_RULES.map((rule) => [titleOf(rule), rule] as const))('%s', async (_, rule) => {
    const ctx = await testContext()
    const server = await serve(ctx)
    await rule.check(new Registry(server.url, 'acme/spec', basic(await apiKey(ctx, 'acme'))))
  })
})
