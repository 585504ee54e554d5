import type { Registry } from './registry.ts'

/**
 * One sentence of the specification that a registry must, should or may keep, in our words.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export interface Rule {
  readonly section: string
  readonly level: 'MUST' | 'SHOULD' | 'MAY'
  readonly rule: string
  readonly check: (registry: Registry) => Promise<unknown>
  /** Why CNCF distribution 2.8.2, the control, does not keep it; the control run fails when it does. */
  readonly notInDistribution?: string
}

/** Level, rule, check, and why the control does not keep it. */
export type RuleRow = readonly [Rule['level'], string, Rule['check'], (string | undefined)?]

/** The rules of one section. */
export function section(title: string, rules: readonly RuleRow[]): Rule[] {
  return rules.map(([level, rule, check, notInDistribution]) => ({
    section: title,
    level,
    rule,
    check,
    ...(notInDistribution === undefined ? {} : { notInDistribution }),
  }))
}

export function titleOf({ section, level, rule }: Rule): string {
  return `${section}, ${level}: ${rule}`
}
