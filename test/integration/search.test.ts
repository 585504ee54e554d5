import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeWith } from '../services/use.ts'
import { ENGINES, engineOf } from './engine-images.ts'

/** As Docker Hub answers `GET /v1/search`. */
const FOUND = [
  { name: 'team/app', description: 'an app', star_count: 42, is_official: false, is_automated: false },
  { name: 'app', description: 'the official one', star_count: 7, is_official: true, is_automated: false },
]

/** An index on this machine: real engines ask it as they ask Docker Hub, when a term begins with its address. */
let index: Server
let host: string
let asked: string[] = []
beforeAll(async () => {
  index = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://index')
    asked.push(`${request.method} ${pathname}`)
    response.setHeader('Content-Type', 'application/json')
    if (pathname !== '/v1/search') {
      response.setHeader('X-Docker-Registry-Standalone', 'true').end('{}')
      return
    }
    const term = searchParams.get('q') ?? ''
    const results = FOUND.filter(({ name }) => name.includes(term)).slice(0, Number(searchParams.get('n')))
    response.end(JSON.stringify({ query: term, num_results: results.length, results }))
  })
  await new Promise<void>((resolve) => index.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(index.address() as AddressInfo).port}`
})
afterAll(() => index.close())
beforeEach(() => {
  asked = []
})

for (const name of ENGINES) {
  describeWith([name], `a search by ${name}`, () => {
    const engine = engineOf(name)
    /** Podman says where it found an image. */
    const named = (image: string) => (name === 'podman' ? `${host}/${image}` : image)

    test('finds what the registry has', async () => {
      expect(await engine.searchImages({ term: `${host}/app`, limit: 25 })).toEqual([
        { name: named('team/app'), description: 'an app', stars: 42, official: false },
        { name: named('app'), description: 'the official one', stars: 7, official: true },
      ])
      expect(asked.filter((call) => call === 'GET /v1/search')).toHaveLength(1)
    })

    test('of as many as were asked for, and only what a filter lets pass', async () => {
      const names = async (query: object) =>
        (await engine.searchImages({ term: `${host}/app`, limit: 25, ...query })).map((found) => found.name)
      expect(await names({ limit: 1 })).toEqual([named('team/app')])
      expect(await names({ isOfficial: true })).toEqual([named('app')])
      expect(await names({ minStars: 10 })).toEqual([named('team/app')])
    })

    test('finds nothing', async () => {
      expect(await engine.searchImages({ term: `${host}/nothing-like-it`, limit: 25 })).toEqual([])
    })

    test('says which registry is not there', async () => {
      const search = engine.searchImages({ term: '127.0.0.1:9/app', limit: 25 })
      await expect(search).rejects.toMatchObject({
        code: 'REGISTRY_UNREACHABLE',
        message: expect.stringContaining('could not search 127.0.0.1:9'),
      })
    })
  })
}
