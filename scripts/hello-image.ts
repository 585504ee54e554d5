/** The image of examples/hello, built in an engine or written as an archive without one. */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { type Agent, request } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { EngineAgent } from '../src/engine/dial.ts'
import { locate } from '../src/engine/locate.ts'

const HELLO = join(import.meta.dirname, '../examples/hello')
/** The server's platform: an engine on an arm64 laptop builds this too, since nothing is run. */
const PLATFORM = 'linux/amd64'

/** Builds examples/hello/Dockerfile. Answers the engine's address; undefined when no engine answers. */
export async function buildHello(tag: string): Promise<string | undefined> {
  const engine = await findEngine()
  if (!engine) return undefined
  const context = pack()
  for (const name of await readdir(HELLO)) context.entry({ name }, await readFile(join(HELLO, name)))
  context.finalize()
  const query = new URLSearchParams({ t: tag, platform: PLATFORM, rm: '1' })
  const answer = await call(engine.agent, 'POST', `/build?${query}`, context)
  const failure = answer.split('\n').find((line) => line.includes('"error"'))
  if (failure) throw new Error(`building examples/hello failed: ${failure}`)
  return engine.host
}

export async function removeHello(tag: string): Promise<void> {
  const engine = await findEngine()
  if (engine) await call(engine.agent, 'DELETE', `/images/${tag}`)
}

/** Writes what `docker save` would: https://github.com/moby/docker-image-spec */
export async function saveHello(path: string, tag: string): Promise<void> {
  const layerTar = pack()
  layerTar.entry({ name: 'message.txt' }, await readFile(join(HELLO, 'message.txt')))
  layerTar.finalize()
  const layer = await buffer(layerTar)
  const [os, architecture] = PLATFORM.split('/')
  const config = JSON.stringify({
    os,
    architecture,
    config: { Entrypoint: ['/message.txt'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created_by: 'COPY message.txt /message.txt' }],
  })
  const archive = pack()
  const names = { config: `${sha256(config)}.json`, layer: `${sha256(layer)}/layer.tar` }
  archive.entry({ name: names.config }, config)
  archive.entry({ name: names.layer }, layer)
  const manifest = [{ Config: names.config, RepoTags: [tag], Layers: [names.layer] }]
  archive.entry({ name: 'manifest.json' }, JSON.stringify(manifest))
  archive.finalize()
  await pipeline(archive as unknown as Readable, createWriteStream(path))
}

async function findEngine(): Promise<{ host: string; agent: Agent } | undefined> {
  const uid = process.getuid?.()
  const environment = {
    variables: process.env,
    home: homedir(),
    platform: process.platform,
    ...(uid === undefined ? {} : { uid }),
  }
  for (const { endpoint } of await locate(environment, {})) {
    const agent = new EngineAgent(endpoint, process.env)
    const answers = await call(agent, 'GET', '/_ping').then(
      () => true,
      () => false,
    )
    if (answers) return { host: endpoint.host, agent }
  }
  return undefined
}

function call(
  agent: Agent,
  method: string,
  path: string,
  body?: Readable | ReturnType<typeof pack>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/x-tar' } : {}
    const sent = request({ agent, method, path, headers }, async (response) => {
      const text = (await buffer(response)).toString()
      if ((response.statusCode ?? 500) < 400) resolve(text)
      else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
    })
    sent.on('error', reject)
    if (body) pipeline(body as Readable, sent).catch(reject)
    else sent.end()
  })
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
