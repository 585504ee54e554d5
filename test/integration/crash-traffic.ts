import type { Random } from '../server/random.ts'
import type { Client } from '../server/registry-context.ts'
import { descriptor, imageManifest, sha256 } from '../server/registry-context.ts'

/** What a tag may point at: one thing after an answer, several after a request that was not answered. */
type Possible = ReadonlySet<string | undefined>

const REPOSITORIES = ['default/app', 'default/web']
const TAGS_PER_WORKER = 3
/** Few, so that images share layers and blobs are deleted and pushed again. */
const LAYERS = 12

interface CrashImage {
  readonly config: string
  readonly layer: string
  readonly manifest: object
  readonly digest: string
}

/** What clients know of a server that is killed now and then. */
export class Traffic {
  readonly #random: Random
  readonly #tags = new Map<string, Possible>()
  #images = 0
  acknowledged = 0
  unanswered = 0
  refused = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Pushes, moves and deletes tags of its own until the server is gone. */
  async work(worker: number, client: Client): Promise<void> {
    for (;;) {
      const name = this.#random.pick(REPOSITORIES)
      const tag = `w${worker}-${this.#random.below(TAGS_PER_WORKER)}`
      const outcome = await this.#act(client, name, tag)
      if (outcome === 'gone') return
    }
  }

  /** Every tag that was touched, with what it may point at. */
  tags(): IterableIterator<[string, Possible]> {
    return this.#tags.entries()
  }

  /** After a look at the server: what a tag points at now. */
  learn(key: string, digest: string | undefined): void {
    this.#tags.set(key, new Set([digest]))
  }

  async #act(client: Client, name: string, tag: string): Promise<'done' | 'gone'> {
    const key = `${name}:${tag}`
    const [before = undefined] = this.#tags.get(key) ?? []
    const isDelete = before !== undefined && this.#random.chance(0.3)
    const image = isDelete ? undefined : this.#makeImage()
    const after = image?.digest
    // Until the answer is here, both may be true.
    this.#tags.set(key, new Set([before, after]))
    try {
      if (image) await this.#push(client, name, tag, image)
      else await this.#delete(client, name, tag, before!)
    } catch (error) {
      if (!(error instanceof Error) || !/ answered (4\d\d|409)/.test(error.message)) {
        this.unanswered++
        return 'gone'
      }
      // A collection at work may take what a push has just sent: it is told, and nothing has changed.
      this.refused++
      this.#tags.set(key, new Set([before]))
      return 'done'
    }
    this.#tags.set(key, new Set([after]))
    this.acknowledged++
    return 'done'
  }

  #makeImage(): CrashImage {
    const number = this.#random.below(LAYERS)
    const layer = `layer ${number} `.repeat(5_000 + number * 1_000)
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/hello'] },
      rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
    })
    // Each its own digest: deleting one by digest must not take another tag with it.
    const manifest = imageManifest(config, [layer], { annotations: { image: String(this.#images++) } })
    return { config, layer, manifest, digest: sha256(JSON.stringify(manifest)) }
  }

  async #push(client: Client, name: string, tag: string, image: CrashImage) {
    await client.pushBlob(name, image.config)
    const { digest } = descriptor('', image.layer)
    if (this.#random.chance(0.5)) {
      const location = await client.upload(name)
      const half = image.layer.length / 2
      await client.call('PATCH', location, 202, { body: image.layer.slice(0, half) })
      await client.call('PUT', `${location}?digest=${digest}`, 201, { body: image.layer.slice(half) })
    } else {
      await client.pushBlob(name, image.layer)
    }
    await client.pushManifest(name, tag, image.manifest)
  }

  async #delete(client: Client, name: string, tag: string, digest: string) {
    const repository = name.replace('default/', '')
    const ways = [
      () => client.call('DELETE', `/v2/${name}/manifests/${tag}`, 202),
      () => client.call('DELETE', `/v2/${name}/manifests/${digest}`, 202),
      () => client.call('DELETE', `/api/images/${repository}:${tag}`, 200),
    ]
    await this.#random.pick(ways)()
  }
}
