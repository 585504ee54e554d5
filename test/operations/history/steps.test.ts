import { describe, expect, test } from 'vitest'
import { type Digest, digestBytes } from '../../../src/oci/digest.ts'
import { parseImageConfig } from '../../../src/oci/image-config.ts'
import { stepsOfConfig, stepsOfEngine } from '../../../src/operations/history/steps.ts'

const digest = (name: string) => digestBytes(Buffer.from(name))
const [a, b, c] = ['a', 'b', 'c'].map(digest) as [Digest, Digest, Digest]
const id = digest('config')

function config(history: object[] | undefined) {
  const value = { os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [a, b] }, history }
  return parseImageConfig(Buffer.from(JSON.stringify(value)))
}

describe('the steps of a config', () => {
  const layers = [
    { diffID: a, size: 10 },
    { diffID: b, size: 20, descriptor: { digest: c, size: 5 } },
  ]

  test('are newest first, each with its layer', () => {
    const steps = stepsOfConfig(
      config([
        { created: '2024-01-01T00:00:00.123456789Z', created_by: 'ADD x', comment: 'one' },
        { created: '2024-01-02T00:00:00+02:00', created_by: 'ENV A=1', empty_layer: true },
        { created: '0001-01-01T00:00:00Z', created_by: 'RUN /bin/sh -c make # buildkit' },
      ]),
      id,
      layers,
    )
    expect(steps).toMatchObject([
      { id, created: undefined, instruction: 'RUN make', size: 20, layer: layers[1] },
      { id: undefined, created: '2024-01-01T22:00:00Z', instruction: 'ENV A=1', size: 0, layer: undefined },
      { id: undefined, created: '2024-01-01T00:00:00Z', comment: 'one', size: 10, layer: layers[0] },
    ])
  })

  test.each([[undefined], [[]]])('without history are its layers', (history) => {
    const steps = stepsOfConfig(config(history), id, layers)
    expect(steps).toMatchObject([
      { id, createdBy: '', layer: layers[1] },
      { createdBy: '', layer: layers[0] },
    ])
  })

  test('of which the config tells too few are completed', () => {
    const steps = stepsOfConfig(config([{ created_by: 'ADD x' }]), id, layers)
    expect(steps.map(({ createdBy, size }) => [createdBy, size])).toEqual([
      ['', 20],
      ['ADD x', 10],
    ])
  })

  test('of which the config tells too many have no layer', () => {
    const told = [{ created_by: '1' }, { created_by: '2' }, { created_by: '3' }]
    expect(stepsOfConfig(config(told), id, layers)[0]).toMatchObject({ layer: undefined, size: undefined })
  })

  test('with sizes unknown do not claim to be empty', () => {
    const steps = stepsOfConfig(config([{ created_by: 'ADD x' }]), id, [
      { diffID: a, descriptor: { digest: c, size: 5 } },
    ])
    expect(steps[0]).toMatchObject({ size: undefined, layer: { descriptor: { size: 5 } } })
  })
})

describe('the steps of an engine', () => {
  const entry = (createdBy: string, size: number) => ({
    id: undefined,
    created: 1_700_000_000_000,
    createdBy,
    comment: '',
    size,
    tags: [],
  })

  test.each([
    ['a RUN that wrote nothing made a layer when they are needed', [a, b], [b, undefined, a]],
    ['and made none when they are not', [a], [undefined, undefined, a]],
    ['where numbers do not come out, no layer is told', [a, b, c], [undefined, undefined, undefined]],
  ])('%s', (_, diffIDs, layers) => {
    const entries = [entry('RUN true', 0), entry('ENV A=1', 0), entry('ADD x', 3)]
    const steps = stepsOfEngine(entries, diffIDs)
    expect(steps.map(({ layer }) => layer?.diffID)).toEqual(layers)
    expect(steps[0]!.created).toBe('2023-11-14T22:13:20Z')
  })

  test('without any are its layers', () => {
    expect(stepsOfEngine([], [a, b])).toMatchObject([{ layer: { diffID: b } }, { layer: { diffID: a } }])
  })
})
