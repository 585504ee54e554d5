import { expect, test } from 'vitest'
import { runCli } from './run-cli.ts'

test.each<[string[], RegExp]>([
  [
    ['history', './app.tar', '--host', 'tcp://far:2375'],
    /^--host names an engine, and an archive needs none$/,
  ],
  [['history', 'app:1', '--remote', '--context', 'far'], /^--context names an engine, and --remote asks the/],
  [['history', 'app:1', '--remote', '--docker-context', 'far'], /^--docker-context names an engine/],
  [['inspect', './a.tar', 'oci:b', '--host', 'tcp://far:2375'], /^--host names an engine, and an archive/],
  [['inspect', 'app:1', '--remote', '--host', 'tcp://far:2375'], /^--host names an engine, and --remote/],
  [
    ['save', 'app:1', '--remote', '-o', 'a.tar', '--context', 'far'],
    /^--context names an engine, and --remote/,
  ],
  [['push', './app.tar', '--docker-context', 'far'], /^--docker-context names an engine, and an archive/],
  [
    ['push', 'oci:app', '--host', 'tcp://far:2375', '--to', 'r.test/a:1'],
    /^--host names an engine, and an arch/,
  ],
])('image %j: an engine is named where none takes part', async (args, message) => {
  const { code, out, err } = await runCli(['image', ...args, '--debug'])
  expect([code, out]).toEqual([2, ''])
  expect(/^error: (.*)$/m.exec(err)?.[1]).toMatch(message)
})

test('the environment may name one all the same', async () => {
  const environment = { DOCKER_HOST: 'tcp://far:2375' }
  const { code, err } = await runCli(['image', 'history', './none.tar'], { environment })
  expect([code, err]).toEqual([3, expect.stringContaining('./none.tar')])
})

test('with an image of an engine among archives the option counts', async () => {
  const host = 'unix:///nowhere/docker.sock'
  const { code, err } = await runCli(['image', 'inspect', 'app:1', './none.tar', '--host', host])
  expect([code, err]).toEqual([8, expect.stringContaining(host)])
})
