import { expect, test } from 'vitest'
import { parseTemplate } from '../../src/internal/go-template.ts'

const RECORD = { name: 'app:1.0', sizeBytes: 12, labels: { team: 'web' }, reason: null, enabled: false }

test.each([
  ['{{.Name}}', 'app:1.0'],
  ['{{ .name }}', 'app:1.0'],
  ['{{.SizeBytes}} bytes', '12 bytes'],
  ['{{.Labels.team}}', 'web'],
  ['{{json .Labels}}', '{"team":"web"}'],
  ['{{.Labels}}', '{"team":"web"}'],
  ['{{.Reason}}', ''],
  ['{{.Reason.code}}', ''],
  ['{{json .Reason}}', 'null'],
  ['{{.Enabled}}', 'false'],
  ['a\\tb\\n{{.Name}}', 'a\tb\napp:1.0'],
  ['{{json .}}', JSON.stringify(RECORD)],
])('%s', (template, text) => expect(parseTemplate(template)(RECORD)).toBe(text))

test.each(['{{range .Names}}x{{end}}', '{{.Name', '{{.Name | upper}}', '{{}}', '{{name}}'])(
  '%s is refused',
  (template) =>
    expect(() => parseTemplate(template)).toThrowError(expect.objectContaining({ code: 'USAGE' })),
)

test('an unknown field names those that are there', () => {
  expect(() => parseTemplate('{{.Nam}}')(RECORD)).toThrowError(
    expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining('.Name') }),
  )
})
