import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { expect, onTestFinished, test } from 'vitest'
import type { BuildEvent } from '../../src/ports/engine-build.ts'
import { BUSYBOX, engineAt, logOf, type RealRequest, realRequest, run } from '../engine/build/real-build.ts'
import { temporaryFolder } from '../engine/scripted-engine.ts'
import { mustRun } from '../services/command.ts'
import { startDockerClassic } from '../services/docker-classic.ts'
import { callEngine } from '../services/engine.ts'
import { save } from '../services/fixtures.ts'
import { describeWith, service, services } from '../services/use.ts'

const RUN_ID = randomUUID().slice(0, 8)
const SECRET = `hunter2-${randomUUID()}`
const SECRET_MOUNT = '--mount=type=secret,id=npm '

for (const name of ['dockerClassic', 'dockerContainerd'] as const) {
  describeWith([name], `a build session on ${name}`, () => {
    const socketPath = () => service(name).socketPath

    /** Builds to a tag of its own, which is removed with the test. */
    const build = async (request: RealRequest) => {
      const tag = `imgctl-session-${RUN_ID}/${randomUUID().slice(0, 8)}:1`
      const events: BuildEvent[] = []
      const onEvent = (event: BuildEvent) => events.push(event)
      onTestFinished(async () => {
        await callEngine(socketPath(), `/images/${tag}`, { method: 'DELETE' })
      })
      const full = await realRequest({ noCache: true, tags: [tag], ...request })
      await engineAt(service(name).dockerHost).build(full, { onEvent })
      return { tag, events }
    }

    test('a step sees a secret, and nothing else ever does', async () => {
      const marker = `marker-${randomUUID()}`
      const command = `/bin/busybox wc -c < /run/secrets/npm; /bin/busybox cat /run/secrets/npm; echo ${marker} > /mark`
      const { tag, events } = await build({
        dockerfile: BUSYBOX + run(command, SECRET_MOUNT),
        secrets: [{ id: 'npm', read: async () => Buffer.from(`${SECRET}\n`) }],
      })
      expect(logOf(events)).toEqual([String(SECRET.length + 1), '***'])
      const archive = join(await temporaryFolder(), 'image.tar')
      await save(socketPath(), [tag], archive)
      const history = (await callEngine(socketPath(), `/images/${tag}/history`)).body
      const inspected = (await callEngine(socketPath(), `/images/${tag}/json`)).body
      const said = [...(await contentOf(archive)), history, inspected, Buffer.from(JSON.stringify(events))]
      expect(said.some((content) => content.includes(marker))).toBe(true)
      expect(said.some((content) => content.includes(SECRET))).toBe(false)
    })

    test('a secret is not in what any debug output prints', async () => {
      const source = new URL('../engine/build/real-build.ts', import.meta.url).href
      const program = `
        import { engineAt, realRequest, run, BUSYBOX } from ${JSON.stringify(source)}
        const dockerfile = BUSYBOX + run('/bin/busybox cat /run/secrets/npm', ${JSON.stringify(SECRET_MOUNT)})
        const secrets = [{ id: 'npm', read: async () => Buffer.from(process.env.THE_SECRET) }]
        const request = await realRequest({ dockerfile, secrets, noCache: true })
        const onEvent = (event) => console.log(JSON.stringify(event))
        const { imageId } = await engineAt(${JSON.stringify(service(name).dockerHost)}).build(request, { onEvent })
        console.log(imageId)`
      const debug = { DEBUG: '*', NODE_DEBUG: 'http,http2,net,stream' }
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module-typescript', '--eval', program],
        { env: { ...process.env, ...debug, THE_SECRET: SECRET }, maxBuffer: 2 ** 27 },
      )
      expect(stderr).toMatch(/^HTTP2 \d+: Http2Session server/m)
      expect(stdout).toContain('"text":"***"')
      const shown = [SECRET, Buffer.from(SECRET).toString('base64'), Buffer.from(SECRET).toString('hex')]
      for (const secret of shown) expect(stdout + stderr).not.toContain(secret)
      await callEngine(socketPath(), `/images/${stdout.trim().split('\n').at(-1)}`, { method: 'DELETE' })
    })

    test('two builds at once have each their own secret', async () => {
      // Not the same step: BuildKit runs that once for both, and a secret does not make it another.
      const lengths = [7, 11].map(async (length) => {
        const command = `/bin/busybox sleep 0.3; /bin/busybox wc -c < /run/secrets/npm # ${length}`
        const { events } = await build({
          dockerfile: BUSYBOX + run(command, SECRET_MOUNT),
          secrets: [{ id: 'npm', read: async () => Buffer.alloc(length, 'x') }],
        })
        return logOf(events)
      })
      expect(await Promise.all(lengths)).toEqual([['7'], ['11']])
    })

    test('a secret that was not given is named, when the step insists on it', async () => {
      const dockerfile = BUSYBOX + run('true', '--mount=type=secret,id=npm,required=true ')
      await expect(build({ dockerfile })).rejects.toMatchObject({
        code: 'BUILD_FAILED',
        hint: 'give it: --secret id=npm,src=FILE',
      })
    })

    test('a step uses the SSH agent, and cannot change it', async () => {
      const { socketPath: agent, received } = await agentStub()
      const { files, copies } = await perl()
      const program = [
        'socket(S, 1, 1, 0) or die; connect(S, pack("SZ108", 1, $ENV{SSH_AUTH_SOCK})) or die $!;',
        'for $type (11, 19) { syswrite(S, pack("NC", 1, $type)); sysread(S, $reply, 999);',
        'print unpack("H*", $reply), "\\n" }',
      ].join(' ')
      const command = `RUN --mount=type=ssh ${JSON.stringify(['/usr/bin/perl', '-e', program])}\n`
      const { events } = await build({
        dockerfile: `FROM scratch\n${copies}${command}`,
        files,
        ssh: [{ id: 'default', socketPath: agent }],
      })
      expect(logOf(events)).toEqual(['000000050c00000000', '0000000105'])
      expect(received).toEqual([11, 0])
    })

    if (name === 'dockerContainerd') {
      test('warnings of the Dockerfile name their line', async () => {
        const { events } = await build({ dockerfile: `${BUSYBOX}ENV API_TOKEN=x\n` })
        const warnings = events.filter(({ kind }) => kind === 'warning')
        expect(warnings).toEqual([
          {
            ...{ kind: 'warning', line: 3, url: expect.stringMatching(/^https:\/\/docs\.docker\.com\//) },
            message: expect.stringMatching(/^SecretsUsedInArgOrEnv: /),
          },
        ])
      })
    }
  })
}

describeWith(['dockerClassic'], 'an engine whose disk is full', () => {
  test.each(['buildkit', 'classic'] as const)('says so: %s', async (builder) => {
    // Without a dash in its name: no network bridge is made for it.
    const folder = join(services().runFolder, `full${builder}`)
    const data = join(folder, 'classic', 'data')
    await mkdir(data, { recursive: true })
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', data])
    onTestFinished(async () => {
      await mustRun('umount', ['--lazy', data])
    })
    const engine = await startDockerClassic(folder)
    onTestFinished(() => engine.stop())
    const request = await realRequest({
      builder,
      dockerfile: 'FROM scratch\nCOPY big /big\n',
      files: { big: 'x'.repeat(60_000_000) },
    })
    await expect(engineAt(engine.dockerHost).build(request)).rejects.toMatchObject({ code: 'DISK_FULL' })
    const { body } = await callEngine(engine.socketPath, '/images/json')
    expect(JSON.parse(body.toString())).toEqual([])
  })
})

/** The content of every file in a saved image, layers unpacked once: what is in them is in their tar as it is. */
async function contentOf(archive: string): Promise<Buffer[]> {
  const contents: Buffer[] = []
  const entries = createReadStream(archive).pipe(extract())
  for await (const entry of entries) {
    const content = await buffer(entry)
    contents.push(isGzip(content) ? gunzipSync(content) : content)
  }
  return contents
}

function isGzip(content: Buffer): boolean {
  return content.length > 2 && content.readUInt16BE(0) === 0x1f8b
}

/** An agent without keys, which fails what it does not know. */
async function agentStub(): Promise<{ socketPath: string; received: number[] }> {
  const socketPath = join(await temporaryFolder(), 'agent.sock')
  const received: number[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (message) => {
      const type = message[4] ?? -1
      received.push(type)
      socket.write(Buffer.from(type === 11 ? [0, 0, 0, 5, 12, 0, 0, 0, 0] : [0, 0, 0, 1, 5]))
    })
  })
  server.listen(socketPath)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { socketPath, received }
}

/** Perl with its libraries, as every Debian has it: it can open a Unix socket, which busybox cannot. */
async function perl(): Promise<{ files: Record<string, { from: string }>; copies: string }> {
  const libraries = (await mustRun('ldd', ['/usr/bin/perl'])).match(/\/\S+\.so\S*/g) ?? []
  const paths = ['/usr/bin/perl', ...libraries]
  const files = Object.fromEntries(paths.map((path, index) => [`part${index}`, { from: path }]))
  return { files, copies: paths.map((path, index) => `COPY part${index} ${path}\n`).join('') }
}
