import { chmod, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { parseEndpoint } from '../../src/engine/endpoint.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { sshArguments } from '../../src/engine/ssh.ts'
import { emptyEnvironment, json, scriptedEngine, temporaryFolder } from './scripted-engine.ts'

/** An engine on `ssh://me@far:22`, with a program in ssh's place that runs `script`. */
async function throughSsh(script: string) {
  const folder = await temporaryFolder()
  const program = join(folder, 'ssh')
  await writeFile(program, `#!/bin/sh\nprintf '%s\\n' "$*" > "${folder}/arguments"\n${script}\n`)
  await chmod(program, 0o755)
  const variables = { PATH: [folder, process.env['PATH']].join(delimiter) }
  const environment = { ...emptyEnvironment(folder), variables }
  return { folder, engine: createEngine({ host: 'ssh://me@far:22', environment }) }
}

test('the engine is reached through dial-stdio', async () => {
  const id = `sha256:${'a'.repeat(64)}`
  const { socketPath } = await scriptedEngine({ answers: { 'GET /images/app:1/json': json({ Id: id }) } })
  const pipe = `const s = require('node:net').connect('${socketPath}'); process.stdin.pipe(s).pipe(process.stdout)`
  const { engine, folder } = await throughSsh(`exec "${process.execPath}" -e "${pipe}"`)
  expect(await engine.inspectImage('app:1')).toMatchObject({ id })
  expect(await readFile(join(folder, 'arguments'), 'utf8')).toBe(
    '-o ConnectTimeout=30 -T -l me -p 22 -- far docker system dial-stdio\n',
  )
})

test.each([
  ['echo "me@far: Permission denied (publickey)." >&2; exit 255', 'Permission denied (publickey).'],
  ['exit 255', 'ssh ended with code 255'],
  ['echo "sh: docker: not found" >&2; exit 127', 'docker: not found'],
])('ssh that fails gives its own reason: %s', async (script, reason) => {
  const { engine } = await throughSsh(script)
  await expect(engine.info()).rejects.toMatchObject({
    code: 'ENGINE_UNREACHABLE',
    message: expect.stringContaining(reason),
  })
})

test('a machine without ssh says so', async () => {
  const environment = { ...emptyEnvironment('/nonexistent'), variables: { PATH: '/nonexistent' } }
  await expect(createEngine({ host: 'ssh://far', environment }).info()).rejects.toMatchObject({
    code: 'ENGINE_UNREACHABLE',
    message: expect.stringContaining('the ssh program is not installed'),
  })
})

test('a host name is never an option of ssh, and a path names the socket', () => {
  const endpoint = parseEndpoint('ssh://far/run/docker.sock', '--host')
  if (endpoint.kind !== 'ssh') throw new Error('not ssh')
  const words = sshArguments({ ...endpoint, hostname: '-oProxyCommand=x' })
  expect(words.indexOf('--')).toBeLessThan(words.indexOf('-oProxyCommand=x'))
  expect(words.join(' ')).toContain('docker --host unix:///run/docker.sock system dial-stdio')
})
