import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { digestBytes } from '../../../src/oci/digest.ts'
import { buildImage } from '../../../src/operations/build/build-image.ts'
import type { BuildRequest } from '../../../src/ports/engine-build.ts'

/** What the engine is asked to build from a folder with this Dockerfile. */
async function requestOf(dockerfile: string, buildArgs: Record<string, string>): Promise<BuildRequest> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-build-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'Dockerfile'), dockerfile)
  const requests: BuildRequest[] = []
  const engine = {
    build: async (request: BuildRequest) => {
      requests.push(request)
      return { imageId: digestBytes(Buffer.from('image')), builder: 'classic' as const }
    },
  }
  const credentials = { credentialsFor: () => Promise.reject(new Error('no credentials are due')) }
  const words = { dockerfile: '-f FILE', folder: 'DIR' }
  const lists = { tags: [], cacheFrom: [], secrets: [], ssh: [] }
  const request = { folder, buildArgs, labels: {}, noCache: false, pull: false, ...lists }
  await buildImage({ engine, credentials }, { ...request, builder: 'classic', words }, () => {})
  expect(requests).toHaveLength(1)
  return requests[0]!
}

test.each([
  ['no build argument', {}, ['docker.io/base:1']],
  ['a build argument', { REGISTRY: 'r.example:5000' }, ['r.example:5000/base:1']],
  ['a build argument of another name', { OTHER: 'r.example:5000' }, ['docker.io/base:1']],
])('the base images that the engine is told of, with %s', async (_, buildArgs, expected) => {
  const dockerfile = 'ARG REGISTRY=docker.io\nFROM $REGISTRY/base:1\n'
  const { baseImages } = await requestOf(dockerfile, buildArgs)
  expect(baseImages).toEqual(expected)
})
