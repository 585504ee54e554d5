import { parseTemplate, type Template } from '../internal/go-template.ts'

/** How records are printed. */
export type Format =
  | { readonly kind: 'table' }
  | { readonly kind: 'json' }
  | { readonly kind: 'yaml' }
  | { readonly kind: 'template'; readonly render: Template }

/**
 * The value of `--format`; undefined when it is neither a known word nor a template.
 *
 * @throws ImgctlError USAGE for a template with unsupported forms
 */
export function parseFormat(text: string): Format | undefined {
  if (text.includes('{{')) return { kind: 'template', render: parseTemplate(text) }
  return text === 'table' || text === 'json' || text === 'yaml' ? { kind: text } : undefined
}
