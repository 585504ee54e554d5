import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { ImgctlError } from '../../../src/errors/error.ts'
import { type ImportingEngine, importImage } from '../../../src/operations/local/import-image.ts'
import type { EngineImage } from '../../../src/ports/engine.ts'
import type { ImportRequest } from '../../../src/ports/engine-intake.ts'
import { id, SIGNAL } from './listed.ts'

const STAGING = /^imgctl-import:_imgctl-/

/** Records each step; an import may fail. */
function importing(failure?: ImgctlError) {
  const steps: string[][] = []
  const engine: ImportingEngine = {
    importImage: async ({ target = '' }: ImportRequest) => {
      steps.push(['import', target])
      if (failure) throw failure
      return id('a')
    },
    nameImage: async (source, target) => void steps.push(['name', source, target]),
    untagImage: async (target) => void steps.push(['untag', target]),
    inspectImage: async () => ({ platform: { os: 'linux', architecture: 'amd64' } }) as EngineImage,
    info: () => Promise.reject(new Error('nobody expected info')),
  }
  return { engine, steps }
}

const REQUEST = { source: new URL('http://127.0.0.1/a.tar'), changes: [] }

test('an image gets its name when it is whole', async () => {
  const { engine, steps } = importing()
  expect(await importImage(engine, { ...REQUEST, target: 'app:1' }, SIGNAL)).toBe(id('a'))
  const staging = expect.stringMatching(STAGING)
  expect(steps).toEqual([
    ['import', staging],
    ['name', staging, 'app:1'],
    ['untag', staging],
  ])
})

test('a failed import moves no name and leaves nothing', async () => {
  const { engine, steps } = importing(new ImgctlError('ARCHIVE_INVALID', 'cut off'))
  await expect(importImage(engine, { ...REQUEST, target: 'app:1' }, SIGNAL)).rejects.toMatchObject({
    code: 'ARCHIVE_INVALID',
  })
  expect(steps.map(([step]) => step)).toEqual(['import', 'untag'])
})

test.each(['App:1', 'a b', `app@${id('a')}`])(
  'the name %j is refused before anything is read',
  async (target) => {
    const { engine, steps } = importing()
    const source = new Readable({ read() {} })
    await expect(importImage(engine, { ...REQUEST, source, target }, SIGNAL)).rejects.toMatchObject({
      code: 'NAME_INVALID',
    })
    expect(steps).toEqual([])
    expect(source.destroyed).toBe(true)
  },
)

test('an engine that ignores the platform is not believed', async () => {
  const { engine, steps } = importing()
  const platform = { os: 'linux', architecture: 'arm64' }
  await expect(importImage(engine, { ...REQUEST, target: 'app:1', platform }, SIGNAL)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
  })
  expect(steps.map(([step]) => step)).toEqual(['import', 'untag'])
})

test('without a name there is nothing to stage', async () => {
  const { engine, steps } = importing()
  await importImage(engine, REQUEST, SIGNAL)
  expect(steps).toEqual([['import', '']])
})
