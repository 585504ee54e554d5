import { expect, test } from 'vitest'
import { ALL_RULES } from '../conformance/all-rules.ts'
import { Registry } from '../conformance/registry.ts'
import { titleOf } from '../conformance/rules.ts'
import { describeWith, ownRegistry } from '../services/use.ts'

/**
 * The control: a registry that others wrote, asked the same. A rule that it keeps shows that the test asks what
 * registries do; where it does not, the table has the reason, and the test fails when that is no longer true.
 */
describeWith(['registry'], 'the rules of the specification, asked of CNCF distribution 2.8.2', () => {
  const registry = ownRegistry()
  let number = 0

  test.each(ALL_RULES.map((rule) => [titleOf(rule), rule] as const))('%s', async (_, rule) => {
    const kept = rule.check(new Registry(registry().url, `spec/rule-${number++}`))
    if (rule.notInDistribution === undefined) await kept
    else await expect(kept, rule.notInDistribution).rejects.toThrow()
  })
})
