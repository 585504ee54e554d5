import { describe, expect, test } from 'vitest'
import { parseEndpoint } from '../../src/engine/endpoint.ts'
import { engineGone, noEngine } from '../../src/engine/unreachable.ts'

function failedAt(host: string, origin: string, code: string) {
  const error = Object.assign(new Error(`connect ${code} \u001b[1m`), { code })
  return { origin, endpoint: parseEndpoint(host, origin), error }
}

describe('no engine anywhere', () => {
  const absent = failedAt('unix:///var/run/docker.sock', 'Docker', 'ENOENT')
  const stale = failedAt('unix:///h/.colima/default/docker.sock', 'Colima', 'ECONNREFUSED')
  const strange = failedAt('unix:///h/.rd/docker.sock', 'Rancher Desktop', 'EWEIRD')
  const forbidden = failedAt('unix:///run/podman/podman.sock', 'Podman', 'EACCES')

  test('lists each place where something is, and why it was not that', () => {
    expect(noEngine([absent, stale, strange])).toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: 'no container engine answers on this machine',
      context: [
        'unix:///h/.colima/default/docker.sock (Colima): nothing listens there',
        'unix:///h/.rd/docker.sock (Rancher Desktop): connect EWEIRD \\x1b[1m',
        'no socket at 1 more: imgctl doctor lists them',
      ],
      hint: expect.stringContaining('imgctl image push ./app.tar'),
    })
  })

  test('says how to be allowed when that is what is missing', () => {
    expect(noEngine([absent, forbidden]).hint).toContain('usermod -aG docker')
  })

  test('names the one place that was asked for', () => {
    expect(noEngine([failedAt('tcp://far:2375', 'DOCKER_HOST', 'ETIMEDOUT')])).toMatchObject({
      message: 'no container engine at tcp://far:2375 (DOCKER_HOST): no answer',
      context: [],
      hint: expect.stringMatching(/^start it, or name another \(--host.*imgctl image push/),
    })
  })

  test('counts those where nothing is', () => {
    expect(noEngine([absent, { ...absent, origin: 'Podman' }]).context).toEqual([
      'no socket at 2 usual places: imgctl doctor lists them',
    ])
  })
})

test('an engine that is gone may come back', () => {
  const cause = Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
  expect(engineGone(parseEndpoint('tcp://far:2375', '--host'), 'GET /info', cause)).toMatchObject({
    code: 'ENGINE_UNREACHABLE',
    retryable: true,
    message: 'lost the engine at tcp://far:2375 during GET /info: the connection was closed',
  })
})
