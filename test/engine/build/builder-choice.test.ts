import { describe, expect, test } from 'vitest'
import { chooseBuilder } from '../../../src/engine/build/builder-choice.ts'
import { buildRequest } from './scripted-buildkit.ts'

const OLD = { product: 'docker', apiVersion: '1.38', builderVersion: undefined } as const
const SILENT = { product: 'docker', apiVersion: '1.41', builderVersion: undefined } as const
const NEW = { product: 'docker', apiVersion: '1.51', builderVersion: '2' } as const
const CLASSIC = { product: 'docker', apiVersion: '1.51', builderVersion: '1' } as const
const PODMAN = { product: 'podman', apiVersion: '1.41', builderVersion: undefined } as const

test.each([
  ['Docker 18.06', OLD, 'auto', 'classic'],
  ['Docker 20.10, which says nothing', SILENT, 'auto', 'buildkit'],
  ['Docker 28', NEW, 'auto', 'buildkit'],
  ['Docker that is set to the classic one', CLASSIC, 'auto', 'classic'],
  ['the same, and BuildKit is wanted', CLASSIC, 'buildkit', 'buildkit'],
  ['Docker 28, and the classic one is wanted', NEW, 'classic', 'classic'],
  ['Podman', PODMAN, 'auto', 'classic'],
] as const)('the builder of %s', (_case, engine, builder, chosen) => {
  expect(chooseBuilder(engine, buildRequest({ builder }))).toBe(chosen)
})

test.each([OLD, PODMAN])('BuildKit is wanted where it is not: $product', (engine) => {
  expect(() => chooseBuilder(engine, buildRequest({ builder: 'buildkit' }))).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED' }),
  )
})

describe('what needs BuildKit', () => {
  const needs = {
    needsBuildKit: ['RUN --mount=type=cache (line 3)'],
    secrets: [{ id: 'npm', read: () => Promise.reject(new Error('read')) }],
    ssh: [{ id: 'default', socketPath: '/agent' }],
  }

  test('is named when it is not used, with the way out', () => {
    expect(() => chooseBuilder(CLASSIC, buildRequest(needs))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        context: ['RUN --mount=type=cache (line 3)', 'the secret npm', 'the SSH agent default'],
        hint: expect.stringContaining('--builder buildkit'),
      }),
    )
    expect(() => chooseBuilder(OLD, buildRequest(needs))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('18.09') }),
    )
  })

  test('is tried by Podman, which knows part of it, but for what needs a session', () => {
    const { needsBuildKit, secrets } = needs
    expect(chooseBuilder(PODMAN, buildRequest({ needsBuildKit }))).toBe('classic')
    expect(() => chooseBuilder(PODMAN, buildRequest({ needsBuildKit, secrets }))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', context: ['the secret npm'] }),
    )
  })

  test('is no matter for BuildKit', () => {
    expect(chooseBuilder(NEW, buildRequest(needs))).toBe('buildkit')
  })
})
