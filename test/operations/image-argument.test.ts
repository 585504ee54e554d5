import { expect, test } from 'vitest'
import { parseImageArgument } from '../../src/operations/image-argument.ts'

test.each([
  ['app:1.0', { kind: 'image', reference: 'app:1.0' }],
  ['localhost:5000/app:1.0', { kind: 'image', reference: 'localhost:5000/app:1.0' }],
  ['0123456789ab', { kind: 'image', reference: '0123456789ab' }],
  ['app.tar', { kind: 'archive', path: 'app.tar' }],
  ['app.tar.gz', { kind: 'archive', path: 'app.tar.gz' }],
  ['APP.TGZ', { kind: 'archive', path: 'APP.TGZ' }],
  ['./app', { kind: 'archive', path: './app' }],
  ['../out/app.tar', { kind: 'archive', path: '../out/app.tar' }],
  ['/var/app', { kind: 'archive', path: '/var/app' }],
  ['C:\\images\\app', { kind: 'archive', path: 'C:\\images\\app' }],
  ['oci:layout', { kind: 'archive', path: 'layout' }],
  ['oci:/var/layout', { kind: 'archive', path: '/var/layout' }],
])('%s is an image, or an archive', (text, expected) => expect(parseImageArgument(text)).toEqual(expected))
