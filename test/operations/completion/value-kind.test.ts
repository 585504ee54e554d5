import { expect, test } from 'vitest'
import { valueKind } from '../../../src/operations/completion/value-kind.ts'

test.each([
  ['file', 'write the digest to this file', undefined, 'file'],
  ['dir', 'the data folder', undefined, 'folder'],
  ['image', 'names or ids', undefined, 'name'],
  ['image', 'IMAGE, ARCHIVE or oci:DIR', undefined, 'name-or-archive'],
  ['name', 'the profile', undefined, 'name'],
  ['name', 'the profile to use (IMGCTL_PROFILE)', undefined, 'name'],
  ['name:tag', "the image's name on the server", undefined, 'any'],
  ['format', "table, json, yaml, or a template like '{{.Name}}'", undefined, 'words table json yaml'],
  ['format', 'of the archive', ['docker', 'oci'], 'words docker oci'],
  ['shell', 'bash, zsh, fish or powershell', ['bash', 'zsh'], 'words bash zsh'],
  ['source', 'name, digest or id', undefined, 'name'],
  ['source', 'a file, - for stdin, or a URL that the engine fetches', undefined, 'file'],
  ['path', 'a path under /api: /images?limit=5', undefined, 'any'],
])('<%s>, %j, choices %j: %s', (placeholder, description, choices, kind) => {
  expect(valueKind({ placeholder, description, choices })).toBe(kind)
})
