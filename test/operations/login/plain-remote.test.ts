import { expect, test } from 'vitest'
import { isPlainRemote } from '../../../src/operations/login/plain-remote.ts'

test.each([
  ['http://127.0.0.1:7700', false],
  ['http://localhost:7700/imgctl', false],
  ['http://[::1]:7700', false],
  ['https://images.example', false],
  ['http://images.example', true],
  ['http://localhost.images.example', true],
  ['http://127.images.example', true],
])('%s can be read on the way: %s', (server, isPlain) => {
  expect(isPlainRemote(server)).toBe(isPlain)
})
