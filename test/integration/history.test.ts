import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { imageHistory } from '../../src/operations/history/image-history.ts'
import type { HistoryStep } from '../../src/operations/history/steps.ts'
import { type EngineName, fixtureImages, IMAGES, save } from '../services/fixtures.ts'
import { docker, succeeded } from '../services/tools.ts'
import { describeWith, service, services } from '../services/use.ts'
import { buildSteps, ENGINES, engineOf, remove } from './engine-images.ts'

const RUN = randomUUID().slice(0, 8)
const STEPS = `imgctl-history-${RUN}/steps:1.0`
const REFERENCES = [...Object.values(IMAGES), STEPS]
const folder = join(services().runFolder, `history-${process.pid}`)

const history = (engine: EngineName, source: string) =>
  imageHistory(
    { engine: async () => engineOf(engine), remote: () => Promise.reject(new Error('not remote')) },
    { source, remote: false },
  )

describeWith(['dockerClassic', 'dockerContainerd', 'podman', 'tools'], 'history', () => {
  beforeAll(async () => {
    await mkdir(folder, { recursive: true })
    for (const engine of ENGINES) {
      await fixtureImages(engine)
      await buildSteps(engine, STEPS, RUN)
    }
  })
  afterAll(async () => {
    for (const engine of ENGINES) await remove(engine, STEPS)
  })

  test.each(ENGINES.flatMap((engine) => REFERENCES.map((reference) => [engine, reference] as const)))(
    'on %s, of %s, is what docker history says',
    async (engine, reference) => {
      const { dockerHost: host } = service(engine)
      const args = ['history', '--no-trunc', '--human=false', '--format', 'json', reference]
      const { stdout } = await succeeded(docker(args, { host }))
      const rows = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      const steps = await history(engine, reference)
      expect(steps.map(asDockerRow)).toEqual(
        rows.map(({ ID, ...row }) => ({ ...row, ID: ID.replace('sha256:', '') })),
      )
    },
  )

  test.each(REFERENCES)('of %s has the same rows from an archive', async (reference) => {
    const path = join(folder, `${reference.replaceAll(/\W/g, '-')}.tar`)
    await save(service('dockerClassic').socketPath, [reference], path)
    const fromEngine = await history('dockerClassic', reference)
    const fromArchive = await history('dockerClassic', path)
    expect(fromArchive.map(comparable)).toEqual(fromEngine.map(comparable))
    expect(fromArchive[0]!.id).toBe(fromEngine[0]!.id)
  })

  test('knows the layers of each engine', async () => {
    for (const engine of ENGINES) {
      const steps = await history(engine, STEPS)
      const { diffIDs } = await engineOf(engine).inspectImage(STEPS)
      const told = steps.flatMap(({ layer }) => layer?.diffID ?? []).reverse()
      expect(told).toEqual(diffIDs)
    }
  })

  test('an image that is not there', async () => {
    await expect(history('dockerClassic', 'imgctl-history/nowhere:1')).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
    })
  })
})

function asDockerRow({ id, created, createdBy, comment, size }: HistoryStep) {
  const time = created ?? 'N/A'
  return {
    ID: id?.replace('sha256:', '') ?? '<missing>',
    CreatedAt: time,
    CreatedSince: time,
    CreatedBy: createdBy.replaceAll('\t', ' '),
    Comment: comment,
    Size: String(size),
  }
}

/** What does not depend on where the image is. */
function comparable({ created, createdBy, instruction, comment, size, layer }: HistoryStep) {
  return { created, createdBy, instruction, comment, size, layer: layer?.diffID }
}
