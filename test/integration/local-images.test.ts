import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { afterAll, describe, expect, test } from 'vitest'
import type { Digest } from '../../src/oci/digest.ts'
import { importImage } from '../../src/operations/local/import-image.ts'
import { listRows } from '../../src/operations/local/list-rows.ts'
import { planPrune } from '../../src/operations/local/plan-prune.ts'
import { planRemoval } from '../../src/operations/local/plan-removal.ts'
import { pruneImages } from '../../src/operations/local/prune-images.ts'
import { removePlanned } from '../../src/operations/local/remove-planned.ts'
import { callEngine } from '../services/engine.ts'
import { docker } from '../services/tools.ts'
import { describeWith, ownRegistry, service } from '../services/use.ts'
import { ENGINES, engineOf, inspect, remove } from './engine-images.ts'

/** This run's own: other test files use the same engines at the same time. */
const RUN = `li-${randomUUID().slice(0, 8)}`
const SIGNAL = new AbortController().signal
const LABEL = `org.example.run=${RUN}`

for (const name of ENGINES) {
  describeWith([name], `images of ${name}`, () => {
    const engine = engineOf(name)
    const made: string[] = []
    const containers: string[] = []

    /** An image of one file, with this run's label, under names of its own. */
    const image = async (...tags: string[]): Promise<{ id: Digest; names: string[] }> => {
      const own = tags.map((tag) => `${RUN}/${tag}`)
      const request = { source: await fileTar(randomUUID()), changes: [`LABEL ${LABEL}`] }
      const [first, ...others] = own
      const id = await importImage(
        engine,
        first === undefined ? request : { ...request, target: first },
        SIGNAL,
      )
      for (const other of others) await engine.nameImage(id, other)
      made.push(id, ...own)
      return { id, names: own }
    }
    const createContainer = async (from: string): Promise<string> => {
      const container = `${RUN}-${containers.length}`
      containers.push(container)
      const { status, body } = await callEngine(
        service(name).socketPath,
        `/containers/create?name=${container}`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: Buffer.from(JSON.stringify({ Image: from, Cmd: ['/file'] })),
        },
      )
      expect(status, body.toString()).toBe(201)
      return container
    }
    const isThere = async (reference: string) =>
      (await callEngine(service(name).socketPath, `/images/${reference}/json`)).status === 200
    const rows = async (reference: string) =>
      (await listRows(engine, { references: [reference], everyDigest: false })).map(
        ({ repository, tag }) => `${repository}:${tag}`,
      )
    /** What this process's imports left; other test files import into the engine too. */
    const staged = async () => (await rows('imgctl-import')).filter((row) => row.includes(`-${process.pid}-`))
    const prunePlan = (named: boolean) =>
      planPrune(
        engine,
        { named, before: undefined, labels: [{ key: 'org.example.run', value: RUN, negated: false }] },
        SIGNAL,
      )

    afterAll(async () => {
      for (const container of containers) {
        await callEngine(service(name).socketPath, `/containers/${container}?force=true`, {
          method: 'DELETE',
        })
      }
      for (const reference of made.reverse()) await remove(name, reference)
    })

    describe('an import', () => {
      test('makes an image with its changes and its message', async () => {
        const target = `${RUN}/import:1`
        made.push(target)
        const changes = ['CMD ["/file"]', 'ENV A=b', `LABEL ${LABEL}`]
        const id = await importImage(
          engine,
          { source: await fileTar(), target, changes, message: 'hi' },
          SIGNAL,
        )
        const described = await engine.describeImage(target)
        expect(described).toMatchObject({ Id: id, Comment: 'hi', Config: { Cmd: ['/file'], Env: ['A=b'] } })
        expect(await staged()).toEqual([])
      })

      test.each([
        ['garbage', async () => Readable.from([Buffer.alloc(100_000, 7)])],
        ['a tar that was cut off', async () => Readable.from([(await tarBytes()).subarray(0, 5000)])],
      ])('of %s leaves its name to the image that has it, and nothing behind', async (_what, source) => {
        const { id, names } = await image('keeps:1')
        const before = await rows(`${RUN}/*`)
        await expect(
          importImage(engine, { source: await source(), target: names[0]!, changes: [] }, SIGNAL),
        ).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' })
        expect((await inspect(name, names[0]!)).Id).toBe(id)
        expect(await rows(`${RUN}/*`)).toEqual(before)
        expect(await staged()).toEqual([])
      })

      test.each(['FROM scratch', 'NONSENSE'])('with the change %s is wrong usage', async (change) => {
        const target = `${RUN}/change:1`
        const request = { source: await fileTar(), target, changes: [change] }
        await expect(importImage(engine, request, SIGNAL)).rejects.toMatchObject({ code: 'USAGE' })
        expect(await isThere(target)).toBe(false)
      })

      test('for another platform has that platform, or is not made', async () => {
        const target = `${RUN}/arm:1`
        made.push(target)
        const platform = { os: 'linux', architecture: 'arm64' }
        const importing = importImage(
          engine,
          { source: await fileTar(), target, changes: [], platform },
          SIGNAL,
        )
        if (name === 'dockerClassic') {
          await expect(importing).rejects.toMatchObject({ code: 'UNSUPPORTED' })
          expect(await isThere(target)).toBe(false)
        } else {
          await importing
          expect((await engine.inspectImage(target)).platform).toEqual(platform)
        }
      })
    })

    test("a container's changes become an image", async () => {
      const { names } = await image('base:1')
      const container = await createContainer(names[0]!)
      const target = `${RUN}/committed:1`
      made.push(target)
      const id = await engine.commitContainer({
        container,
        target,
        message: 'Add node',
        author: 'Aomine',
        changes: ['ENV C=d'],
        pause: true,
      })
      expect(await engine.describeImage(target)).toMatchObject({
        Id: id,
        Comment: 'Add node',
        Author: 'Aomine',
      })
      expect(JSON.stringify(await engine.describeImage(target))).toContain('C=d')
      await expect(
        engine.commitContainer({ container: `${RUN}-none`, pause: true, changes: [] }),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    describe('a removal', () => {
      const removal = async (...targets: string[]) => {
        const [planned] = await planRemoval(engine, targets, SIGNAL)
        return { ...planned!, parents: true }
      }

      test('takes one name, then the image', async () => {
        const { id, names } = await image('two:1', 'two:2')
        const first = await removePlanned(engine, await removal(names[0]!), SIGNAL)
        expect(first).toEqual({ untagged: [names[0]], deleted: [], error: undefined })
        const second = await removePlanned(engine, await removal(names[1]!), SIGNAL)
        expect(second.untagged).toContain(names[1])
        expect(second.deleted).toContain(id)
        expect(await isThere(id)).toBe(false)
      })

      test('of an id with several names takes them all, and says so before', async () => {
        const { id, names } = await image('byid:1', 'byid-too:2')
        const planned = await removal(id)
        expect([...planned.unasked].sort()).toEqual([...names].sort())
        expect((await removePlanned(engine, planned, SIGNAL)).error).toBeUndefined()
        expect(await isThere(id)).toBe(false)
      })

      test('leaves a name that is another image by now', async () => {
        const { names } = await image('moves:1')
        const planned = await removal(names[0]!)
        const other = await image('other:1')
        await engine.nameImage(other.id, names[0]!)
        const { error, deleted } = await removePlanned(engine, planned, SIGNAL)
        expect(error).toMatchObject({ code: 'PRECONDITION_FAILED' })
        expect(deleted).toEqual([])
        expect((await inspect(name, names[0]!)).Id).toBe(other.id)
      })

      test('leaves an image that got another name since its id was planned', async () => {
        const { id, names } = await image('grows:1')
        const planned = await removal(id)
        await engine.nameImage(id, `${RUN}/grown:1`)
        made.push(`${RUN}/grown:1`)
        const { error } = await removePlanned(engine, planned, SIGNAL)
        expect(error).toBeDefined()
        expect(await isThere(names[0]!)).toBe(true)
      })

      test('leaves what a container uses, and names it', async () => {
        const { names } = await image('used:1', 'used:2')
        const planned = await removal(...names)
        const container = await createContainer(names[0]!)
        await expect(planRemoval(engine, names, SIGNAL)).rejects.toMatchObject({
          code: 'CONFLICT',
          message: expect.stringContaining(container),
          hint: `remove it first: docker rm ${container}`,
        })
        const { error } = await removePlanned(engine, planned, SIGNAL)
        expect(error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(container) })
        expect(await isThere((await inspect(name, planned.id)).Id)).toBe(true)
      })

      test('of what is not there is not found', async () => {
        const { names } = await image('stays:1')
        await expect(planRemoval(engine, [names[0]!, `${RUN}/no:1`], SIGNAL)).rejects.toMatchObject({
          code: 'IMAGE_NOT_FOUND',
        })
        expect(await isThere(names[0]!)).toBe(true)
      })
    })

    test('a prune deletes exactly its plan', async () => {
      const unnamed = await image()
      const changes = await image()
      const used = await image('prune-used:1')
      await createContainer(used.names[0]!)
      const named = await image('prune:1', 'prune:2')
      expect((await prunePlan(false)).map(({ id }) => id)).toEqual(
        expect.arrayContaining([unnamed.id, changes.id]),
      )
      expect((await prunePlan(false)).map(({ id }) => id)).not.toContain(named.id)

      const plan = (await prunePlan(true)).filter(({ id }) => [unnamed.id, changes.id, named.id].includes(id))
      expect(plan).toHaveLength(3)
      expect((await prunePlan(true)).map(({ id }) => id)).not.toContain(used.id)
      await engine.nameImage(changes.id, `${RUN}/saved:1`)
      made.push(`${RUN}/saved:1`)
      const late = await image()
      expect(await engine.imageBytes(SIGNAL)).toBeGreaterThan(0)
      // Other tests use the engine meanwhile: what is reclaimed is counted on this run's own images.
      const measured = {
        ...engine,
        imageBytes: async () => bytesOf(await engine.listImages({ labels: [LABEL] })),
      }
      const { outcomes, reclaimedBytes } = await pruneImages(measured, plan, () => {}, SIGNAL)
      const kept = outcomes.filter(({ error }) => error !== undefined).map(({ image }) => image.id)
      expect(await isThere(unnamed.id)).toBe(false)
      expect(await isThere(named.id)).toBe(false)
      expect(await isThere(late.id)).toBe(true)
      expect(await isThere(changes.id)).toBe(true)
      expect(kept).toEqual([changes.id])
      expect(reclaimedBytes).toBe(bytesOf(plan.filter(({ id }) => id !== changes.id)))
      expect(reclaimedBytes).toBeGreaterThan(0)
    })

    describeWith([name, 'tools'], 'rows', () => {
      /** Podman fails the whole list when another test file removes an image meanwhile. */
      const dockerList = async (...args: string[]): Promise<string> => {
        for (;;) {
          const command = ['image', 'ls', '--no-trunc', ...args]
          const { code, stdout, stderr } = await docker(command, { host: service(name).dockerHost })
          if (code === 0) return stdout
          expect(stderr).toMatch(/not (?:known|found)/)
        }
      }

      test("are those of docker's own client", async () => {
        const { id } = await image('rows:1', 'rows:2', 'more/rows:1')
        const format = '{{.Repository}} {{.Tag}} {{.ID}}'
        const theirs = (await dockerList('--format', format))
          .split('\n')
          .filter((line) => line.includes(`${RUN}/`) && line.includes('/rows '))
        const ours = await listRows(engine, {
          references: [`${RUN}/rows`, `${RUN}/*/rows`],
          everyDigest: false,
        })
        expect(ours.map(({ repository, tag, id }) => `${repository} ${tag} ${id}`).sort()).toEqual(
          theirs.sort(),
        )
        expect(ours).toHaveLength(3)
        expect(new Set(ours.map((row) => row.id))).toEqual(new Set([id]))
      })

      test.each(['dangling=true', `label=${LABEL}`])('with --filter %s too', async (filter) => {
        await image()
        await image('filtered:1')
        const stdout = await dockerList('-q', '--filter', filter)
        const query = filter.startsWith('label') ? { labels: [LABEL] } : { dangling: true }
        const own = new Set(
          (await engine.listImages({ labels: [LABEL] })).map((listed) => listed.id as string),
        )
        const ours = (await engine.listImages(query)).map((listed) => listed.id as string)
        const theirs = stdout.trim().split('\n')
        const relevant = (ids: string[]) => [...new Set(ids.filter((one) => own.has(one)))].sort()
        expect(relevant(ours)).toEqual(relevant(theirs))
        expect(relevant(ours).length).toBeGreaterThan(0)
      })
    })

    describeWith([name, 'registry'], 'a pull', () => {
      const open = ownRegistry()
      const locked = ownRegistry({ auth: true })
      const auth = (host: string) => ({ username: 'imgctl', password: 'upstream-password', registry: host })

      const pushed = async (host: string, tag: string) => {
        const target = `${host}/${RUN}/pulled:${tag}`
        const { id } = await image()
        await engine.nameImage(id, target)
        const credentials = host === locked().host ? auth(host) : undefined
        const { digest } = await engine.pushImage(target, credentials, { secure: false })
        made.push(target)
        return { target, id, digest }
      }

      test('brings what is new, and says so', async () => {
        const { target, digest } = await pushed(open().host, '1')
        await remove(name, target)
        const first = await engine.pullImage(target, undefined, { secure: false })
        expect(first).toMatchObject({ isNew: true })
        expect(first.digests).toContain(digest)
        expect((await inspect(name, target)).Id).toBe(first.id)
        expect(await engine.pullImage(target, undefined, { secure: false })).toEqual({
          ...first,
          isNew: false,
        })
      })

      test('by digest', async () => {
        const { target, digest } = await pushed(open().host, '2')
        await remove(name, target)
        const pinned = `${target.replace(/:2$/, '')}@${digest}`
        made.push(pinned)
        expect(await engine.pullImage(pinned, undefined, { secure: false })).toMatchObject({
          digests: expect.arrayContaining([digest]),
        })
      })

      test('shows its credentials to the registry', async () => {
        const { target, digest } = await pushed(locked().host, '1')
        const options = { secure: false }
        await expect(engine.pullImage(target, undefined, options)).rejects.toMatchObject({
          code: 'AUTH_REQUIRED',
          hint: `log in to it: docker login ${locked().host}`,
        })
        const wrong = { ...auth(locked().host), password: 'wrong' }
        await expect(engine.pullImage(target, wrong, options)).rejects.toMatchObject({
          code: 'AUTH_REQUIRED',
        })
        expect(await engine.pullImage(target, auth(locked().host), options)).toMatchObject({
          digests: expect.arrayContaining([digest]),
        })
      })

      test.each([
        ['a tag that is not there', () => `${open().host}/${RUN}/pulled:none`, 'IMAGE_NOT_FOUND'],
        ['a registry that is not there', () => `127.0.0.1:9/${RUN}/app:1`, 'REGISTRY_UNREACHABLE'],
      ])('of %s', async (_what, target, code) => {
        await expect(engine.pullImage(target(), undefined, { secure: false })).rejects.toMatchObject({ code })
        expect(await isThere(target())).toBe(false)
      })

      test('for a platform that the image is not for', async () => {
        const { target } = await pushed(open().host, 'amd')
        const platform = { os: 'linux', architecture: 'arm64' }
        await expect(engine.pullImage(target, undefined, { secure: false, platform })).rejects.toMatchObject({
          code: 'ARCH_MISMATCH',
        })
      })
    })
  })
}

async function tarBytes(content = 'content'): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name: 'file', mode: 0o755 }, content.repeat(1000))
  tar.finalize()
  return buffer(tar)
}

async function fileTar(content?: string): Promise<Readable> {
  return Readable.from([await tarBytes(content)])
}

function bytesOf(images: readonly { readonly size: number }[]): number {
  return images.reduce((sum, { size }) => sum + size, 0)
}
