import { DISCOVERY } from './discovery.ts'
import { MANAGEMENT } from './management.ts'
import { PULL } from './pull.ts'
import { PUSH_BLOBS } from './push-blobs.ts'
import { PUSH_CHUNKS } from './push-chunks.ts'
import { PUSH_MANIFESTS } from './push-manifests.ts'
import { PUSH_REFERENCES } from './push-references.ts'
import { REFERRERS } from './referrers.ts'
import type { Rule } from './rules.ts'

/** What concerns clients only, and what a registry can only do by proxying, is left out. */
export const ALL_RULES: readonly Rule[] = [
  ...PULL,
  ...PUSH_BLOBS,
  ...PUSH_CHUNKS,
  ...PUSH_MANIFESTS,
  ...PUSH_REFERENCES,
  ...DISCOVERY,
  ...REFERRERS,
  ...MANAGEMENT,
]
