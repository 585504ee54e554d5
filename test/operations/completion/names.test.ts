import { expect, test } from 'vitest'
import { completeNames, type NameSources, sourcesFor } from '../../../src/operations/completion/names.ts'

const signal = new AbortController().signal

function sources(changes: Partial<NameSources> = {}): NameSources {
  const unexpected = async () => {
    throw new Error('not expected')
  }
  return {
    engine: unexpected,
    server: unexpected,
    profiles: unexpected,
    registries: unexpected,
    keys: unexpected,
    organizations: unexpected,
    ...changes,
  }
}

test.each([
  ['image push ', ['engine']],
  ['image tag ', ['engine']],
  ['image save ', ['engine', 'server']],
  ['image history ', ['engine', 'server']],
  ['image inspect --remote ', ['server']],
  ['image save --local ', ['engine']],
  ['image delete ', ['server']],
  ['image delete --local ', ['engine']],
  ['image create ', []],
  ['--debug image enable ', ['server']],
  ['profile use ', ['profiles']],
  ['profiles rm ', ['profiles']],
  ['image push --profile ', ['profiles']],
  ['registry remove ', ['registries']],
  ['registry add ', []],
  ['key revoke ', ['keys']],
  ['key create ', []],
  ['organization use ', ['organizations']],
  ['image list --organization ', ['organizations']],
])('%j asks %j', (line, wanted) => {
  expect(sourcesFor(line.split(' '))).toEqual(wanted)
})

test.each([
  ['', ['app:', 'only:2.0', 'host:5000/app:', 'team/web:3.0'].sort()],
  ['ap', ['app:']],
  ['app:', ['app:1.0', 'app:1.1']],
  ['app:1.1', ['app:1.1']],
  ['team/', ['team/web:3.0']],
  ['host:5000/a', ['host:5000/app:']],
  ['host:5000/app:', ['host:5000/app:1', 'host:5000/app:2']],
  ['x', []],
])('after %j come %j: tags when the colon is there', async (current, offered) => {
  const names = ['app:1.0', 'app:1.1', 'only:2.0', 'team/web:3.0', 'host:5000/app:1', 'host:5000/app:2']
  const found = await completeNames(
    ['image', 'delete', current],
    sources({ server: async () => names }),
    signal,
  )
  expect(found).toEqual(offered)
})

test('names of the engine are as docker prints them, without those of a push that goes on', async () => {
  const engine = async () => [
    'docker.io/library/app:1.0',
    'localhost/web:1',
    '<none>:<none>',
    'r.example/default/app:_imgctl-1',
  ]
  expect(await completeNames(['image', 'push', ''], sources({ engine }), signal)).toEqual([
    'app:1.0',
    'localhost/web:1',
  ])
})

test('a source that fails has no names; the others have', async () => {
  const given = sources({ server: async () => ['app:1.0'] })
  expect(await completeNames(['image', 'save', ''], given, signal)).toEqual(['app:1.0'])
})

test('what has come until the end is the answer', async () => {
  const controller = new AbortController()
  const given = sources({
    engine: async () => {
      setImmediate(() => controller.abort())
      return ['app:1.0']
    },
    server: () => new Promise(() => {}),
  })
  expect(await completeNames(['image', 'save', ''], given, controller.signal)).toEqual(['app:1.0'])
})
