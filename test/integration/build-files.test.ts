import { randomUUID } from 'node:crypto'
import { mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { openContext } from '../../src/build/context.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { buildFiles } from '../../src/operations/build/build-files.ts'
import type { BuildEvent, BuildFiles } from '../../src/ports/engine-build.ts'
import type { CaseEntry } from '../build/context-cases.ts'
import { listSavedImage } from '../build/list-image.ts'
import { contextFolders } from '../build/temporary-folder.ts'
import { engineAt, labelled } from '../engine/build/real-build.ts'
import { emptyEnvironment, temporaryFolder } from '../engine/scripted-engine.ts'
import { callEngine } from '../services/engine.ts'
import { describeWith, service } from '../services/use.ts'

const make = contextFolders()
const SIZE = 100_000
const ALL = 'FROM scratch\nCOPY . /\n'

for (const name of ['dockerClassic', 'dockerContainerd'] as const) {
  describeWith([name], `the files that ${name} fetches`, () => {
    interface Build {
      /** Bytes that the engine took. */
      bytes: number
      /** Files that it asked for. */
      asked: string[]
      /** What the image holds. */
      image: string[]
    }

    const build = async (
      folder: string,
      cache?: string,
      change = (files: BuildFiles) => files,
    ): Promise<Build> => {
      const { dockerHost, socketPath } = service(name)
      const context = await openContext({ folder })
      const reference = `imgctl-files-${randomUUID()}:1`
      const asked: string[] = []
      const events: BuildEvent[] = []
      const request = {
        files: change(
          watched(
            buildFiles(context, () => {}, undefined),
            asked,
          ),
        ),
        dockerfile: context.dockerfile,
        ...{ tags: [reference], builder: 'buildkit' as const },
      }
      await engineAt(dockerHost, cache).build(request, { onEvent: (event) => events.push(event) })
      const saved = await callEngine(socketPath, `/images/${reference}/get`)
      await callEngine(socketPath, `/images/${reference}?force=1`, { method: 'DELETE' })
      const bytes = events.flatMap((event) => (event.kind === 'context' && event.done ? event.bytes : []))
      return { bytes: bytes.at(-1) ?? 0, asked: asked.sort(), image: await listSavedImage([saved.body]) }
    }

    test('are those that changed since the last build of the folder', async () => {
      const { folder } = await make(project())
      const all = ['Dockerfile', ...NAMES]
      expect(await build(folder)).toMatchObject({ asked: all, bytes: 5 * SIZE + ALL.length })
      expect(await build(folder)).toMatchObject({ asked: [], bytes: 0 })
      await writeFile(join(folder, 'src/f2'), 'changed')
      await rm(join(folder, 'src/f3'))
      const { asked, bytes, image } = await build(folder)
      expect([asked, bytes]).toEqual([['src/f2'], 7])
      expect(image).toContain('f 644 7 src/f2')
      expect(image.filter((line) => line.includes('f3'))).toEqual([])
    })

    test('are all, for another client: equal sizes and times say nothing there', async () => {
      const { folder } = await make(project())
      await build(folder)
      const file = join(folder, 'src/f1')
      const { mtime } = await stat(file)
      await writeFile(file, 'z'.repeat(SIZE))
      await utimes(file, mtime, mtime)
      expect((await build(folder, await temporaryFolder())).asked).toEqual(['Dockerfile', ...NAMES])
    })

    test('are those alone that the Dockerfile copies, whatever they are called', async () => {
      const many = Array.from({ length: 130 }, (_, i) => `many/${i}`)
      // Ten at once: a busy BuildKit of Docker 20.10 fails at a COPY of many (https://github.com/moby/buildkit/issues/1822).
      const tens = Array.from({ length: 13 }, (_, i) => many.slice(10 * i, 10 * i + 10))
      const { folder } = await make({
        ...Object.fromEntries(many.map((path) => [`context/${path}`, 'm'])),
        'context/big': 'b'.repeat(SIZE),
        'context/a, b': '1',
        'context/ä ß+%41.txt': '2',
        'context/src/x': '3',
        'context/link': { symlink: 'src' },
        'context/Dockerfile': [
          ...['FROM scratch', 'COPY ["a, b", "ä ß+%41.txt", "/names/"]', 'COPY link/x /linked'],
          ...tens.map((ten) => `COPY ${ten.join(' ')} /many/`),
          '',
        ].join('\n'),
      })
      const { image, asked } = await build(folder)
      expect(asked).toEqual([...many, 'a, b', 'src/x', 'ä ß+%41.txt'].sort())
      expect(image).toEqual(
        expect.arrayContaining(['f 644 1 names/a, b', 'f 644 1 names/ä ß+%41.txt', 'f 644 1 linked']),
      )
      expect(image.filter((line) => line.includes(' many/'))).toHaveLength(130)
    })

    test.each<[string, (path: string) => Promise<void>, string]>([
      ['goes', (path) => rm(path), "'src/f1' cannot be read: it is gone"],
      [
        'becomes a folder',
        async (path) => {
          await rm(path)
          await mkdir(path)
        },
        "'src/f1' cannot be read: it is a folder",
      ],
    ])('one that %s before it is sent is named, and nothing is built', async (_how, change, expected) => {
      const label = `files=${randomUUID()}`
      const { folder } = await make(project(`${ALL}LABEL ${label}\n`))
      const changing = withChange('src/f1', () => change(join(folder, 'src/f1')))
      await expect(build(folder, undefined, changing)).rejects.toMatchObject({
        ...{ code: 'FILE_UNREADABLE', message: expected },
        hint: expect.stringContaining('.dockerignore'),
      })
      expect(await labelled(service(name).socketPath, 'images', label)).toEqual([])
    })

    test('come over ssh as well', async () => {
      const { folder } = await make(project())
      const { socketPath } = service(name)
      const programs = await temporaryFolder()
      const pipe = `const s = require('node:net').connect('${socketPath}'); process.stdin.pipe(s).pipe(process.stdout)`
      const script = `#!/bin/sh\nexec "${process.execPath}" -e "${pipe}"\n`
      await writeFile(join(programs, 'ssh'), script, { mode: 0o755 })
      const variables = { PATH: [programs, process.env['PATH']].join(delimiter) }
      const environment = { ...emptyEnvironment(programs), variables }
      const context = await openContext({ folder })
      const { imageId } = await createEngine({ host: 'ssh://me@far', environment }).build({
        files: buildFiles(context, () => {}, undefined),
        dockerfile: context.dockerfile,
      })
      const saved = await callEngine(socketPath, `/images/${imageId}/get`)
      await callEngine(socketPath, `/images/${imageId}?force=1`, { method: 'DELETE' })
      expect(await listSavedImage([saved.body])).toContain(`f 644 ${SIZE} src/f5`)
    })

    test('one that changed since it was listed is sent as it is', async () => {
      const { folder } = await make(project())
      const changing = withChange('src/f1', () => writeFile(join(folder, 'src/f1'), 'new'))
      expect((await build(folder, undefined, changing)).image).toContain('f 644 3 src/f1')
      // The engine knows that what it has is not what it was told.
      expect((await build(folder)).image).toContain('f 644 3 src/f1')
    })
  })
}

const NAMES = [1, 2, 3, 4, 5].map((i) => `src/f${i}`)

function project(dockerfile = ALL): Record<string, CaseEntry> {
  const files = NAMES.map((path, i) => [`context/${path}`, String(i).repeat(SIZE)])
  return { 'context/Dockerfile': dockerfile, ...Object.fromEntries(files) }
}

/** Changes a file when it was listed and is not sent yet. */
function withChange(path: string, change: () => Promise<void>): (files: BuildFiles) => BuildFiles {
  return (files) => ({
    ...files,
    folder: {
      entries: async function* (selection) {
        for await (const entry of files.folder.entries(selection)) {
          if (entry.path === path) await change()
          yield entry
        }
      },
    },
  })
}

/** Notes which files are read. */
function watched(files: BuildFiles, asked: string[]): BuildFiles {
  return {
    ...files,
    folder: {
      entries: async function* (selection) {
        for await (const entry of files.folder.entries(selection)) {
          const read = () => {
            asked.push(entry.path)
            return entry.read()
          }
          yield { ...entry, read }
        }
      },
    },
  }
}
