import { stringify } from 'yaml'

/** A file of its own, to be loaded when YAML is asked for: a bundler gives a CommonJS package no names in `import()`. */
export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })
}
