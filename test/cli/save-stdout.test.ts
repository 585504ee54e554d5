import { expect, test } from 'vitest'
import { runCli } from './run-cli.ts'

const environment = { DOCKER_HOST: 'unix:///nowhere/docker.sock' }
const save = (platform: string, ...more: string[]) =>
  runCli(['image', 'save', 'app:1', '--progress', 'json', ...more], { environment, platform })

test('on Windows an archive does not go through stdout, unless it is said that it may', async () => {
  const refused = await save('win32/x64')
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(JSON.parse(refused.err)).toMatchObject({
    error: { code: 'USAGE', hint: expect.stringMatching(/-o FILE.*--force-stdout/) },
  })
  // The next thing that fails is the engine.
  for (const more of [['--force-stdout'], ['-o', 'app.tar']]) {
    const forced = await save('win32/x64', ...more)
    expect(forced.code, more.join(' ')).toBe(8)
    expect(forced.err).toContain('ENGINE_UNREACHABLE')
  }
})

test('elsewhere it does', async () => {
  expect((await save('linux/x64')).err).toContain('ENGINE_UNREACHABLE')
  expect((await save('darwin/arm64')).err).toContain('ENGINE_UNREACHABLE')
})
