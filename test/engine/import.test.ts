import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/errors/codes.ts'
import { type Answer, dieAfter, events, json, scriptedEngine } from './scripted-engine.ts'

const ID = `sha256:${'a'.repeat(64)}`

/** Answers when the whole body has come, and keeps it. */
function receiving(answer: Answer): { answer: Answer; body: () => string } {
  let body = ''
  return {
    body: () => body,
    answer: (request, response) => {
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => answer(request, response))
    },
  }
}

describe('an import', () => {
  test('streams its source and says what was made', async () => {
    const received = receiving(events({ status: ID, progress: '', id: ID }))
    const { engine, requests } = await scriptedEngine({ answers: { 'POST /images/create': received.answer } })
    const made = await engine.importImage({
      source: Readable.from([Buffer.from('one'), Buffer.from('two')]),
      target: 'app',
      changes: ['CMD ["/app"]', 'ENV A=b&c'],
      message: 'a message',
      platform: { os: 'linux', architecture: 'arm64' },
    })
    expect(made).toBe(ID)
    expect(received.body()).toBe('onetwo')
    const { searchParams } = new URL(requests[1]!.slice('POST '.length), 'http://engine')
    expect(Object.fromEntries(searchParams)).toMatchObject({
      fromSrc: '-',
      repo: 'app:latest',
      message: 'a message',
      platform: 'linux/arm64',
    })
    expect(searchParams.getAll('changes')).toEqual(['CMD ["/app"]', 'ENV A=b&c'])
  })

  test('of a URL is fetched by the engine', async () => {
    const { engine, requests } = await scriptedEngine({
      answers: { 'POST /images/create': events({ status: ID }) },
    })
    await engine.importImage({ source: new URL('https://r.example/a.tar'), changes: [] })
    expect(requests[1]).toContain('fromSrc=https%3A%2F%2Fr.example%2Fa.tar')
    expect(requests[1]).not.toContain('repo=')
  })

  /** What Docker 20.10 (classic), Docker 28.5 (containerd) and Podman 4.3 said when it was done to them. */
  test.each<[string, ErrorCode]>([
    ['Error processing tar file(exit status 1): archive/tar: invalid tar header', 'ARCHIVE_INVALID'],
    ['Error processing tar file(exit status 1): unexpected EOF', 'ARCHIVE_INVALID'],
    [
      'failed to extract layer sha256:cd: mount callback failed on /x: archive/tar: invalid tar header',
      'ARCHIVE_INVALID',
    ],
    [
      'unable to import tarball: writing blob: processing tar file(unexpected EOF): exit status 1',
      'ARCHIVE_INVALID',
    ],
    ['FOO is not a valid change command', 'USAGE'],
    ['unable to import tarball: invalid change "FOO bar" - invalid instruction FOO', 'USAGE'],
    ['write /var/lib/docker/x: no space left on device', 'DISK_FULL'],
    ['something new', 'ENGINE_ERROR'],
  ])('%s', async (message, code) => {
    for (const answer of [json({ message }, 500), events({ error: message })]) {
      const received = receiving(answer)
      const { engine } = await scriptedEngine({ answers: { 'POST /images/create': received.answer } })
      const source = Readable.from([Buffer.from('x')])
      await expect(engine.importImage({ source, changes: [] })).rejects.toMatchObject({ code })
      expect(source.destroyed).toBe(true)
    }
  })

  test.each<[string, Answer, ErrorCode]>([
    ['says nothing', events({ status: 'Importing' }), 'ENGINE_ERROR'],
    ['dies', dieAfter('{'), 'ENGINE_UNREACHABLE'],
  ])('fails when the engine %s', async (_what, answer, code) => {
    const { engine } = await scriptedEngine({ answers: { 'POST /images/create': receiving(answer).answer } })
    const source = Readable.from([Buffer.from('x')])
    await expect(engine.importImage({ source, changes: [] })).rejects.toMatchObject({ code })
  })

  test('fails with what its source failed with', async () => {
    const { engine } = await scriptedEngine({ answers: { 'POST /images/create': () => {} } })
    const source = new Readable({
      read() {
        this.destroy(new Error('the disk broke'))
      },
    })
    await expect(engine.importImage({ source, changes: [] })).rejects.toThrow('the disk broke')
  })

  test('ends with its signal, and lets its source go', async () => {
    const stop = new AbortController()
    const source = new Readable({ read() {} })
    source.push('the beginning')
    const { engine } = await scriptedEngine({
      answers: { 'POST /images/create': () => stop.abort(new Error('stopped')) },
    })
    await expect(engine.importImage({ source, changes: [] }, stop.signal)).rejects.toThrow('stopped')
    expect(source.destroyed).toBe(true)
  })
})

describe('a commit', () => {
  const REQUEST = { container: 'web', pause: true, changes: [] }

  test('sends an empty config, as Podman wants one', async () => {
    const received = receiving(json({ Id: 'a'.repeat(64) }, 201))
    const { engine, requests, headers } = await scriptedEngine({
      answers: { 'POST /commit': received.answer },
    })
    const made = await engine.commitContainer({
      ...REQUEST,
      target: 'team/app:1',
      author: 'me',
      message: 'hi there',
      changes: ['ENV A=b'],
      pause: false,
    })
    expect(made).toBe(ID)
    expect(received.body()).toBe('{}')
    expect(headers[1]!['content-type']).toBe('application/json')
    expect(requests[1]).toBe(
      'POST /v1.41/commit?container=web&repo=team%2Fapp&tag=1&comment=hi%20there&author=me&pause=false&changes=ENV%20A%3Db',
    )
  })

  test.each<[number, string, ErrorCode]>([
    [404, 'No such container: web', 'NOT_FOUND'],
    [409, 'Container is being removed', 'CONFLICT'],
    [400, 'from is not a valid change command', 'USAGE'],
    [500, 'CommitFailure: invalid change "FROM x" - invalid instruction FROM', 'USAGE'],
    [500, 'something new', 'ENGINE_ERROR'],
  ])('%i %s is %s', async (status, message, code) => {
    const { engine } = await scriptedEngine({
      answers: { 'POST /commit': receiving(json({ message }, status)).answer },
    })
    await expect(engine.commitContainer(REQUEST)).rejects.toMatchObject({ code })
  })
})

describe('a search', () => {
  const QUERY = { term: 'nginx', limit: 5 }
  const found = (answer: Answer) => scriptedEngine({ answers: { 'GET /images/search': answer } })

  test('answers what Docker and Podman say', async () => {
    const docker = [{ name: 'nginx', description: 'web', star_count: 7, is_official: true }]
    const podman = [
      { Index: 'docker.io', Name: 'docker.io/library/nginx', Description: 'web', Stars: 7, Official: '[OK]' },
    ]
    const { engine, requests } = await found(json(docker))
    expect(await engine.searchImages({ ...QUERY, isOfficial: true, minStars: 3 })).toEqual([
      { name: 'nginx', description: 'web', stars: 7, official: true },
    ])
    const { searchParams } = new URL(requests[1]!.slice('GET '.length), 'http://engine')
    expect(JSON.parse(searchParams.get('filters')!)).toEqual({ 'is-official': ['true'], stars: ['3'] })
    expect(await (await found(json(podman))).engine.searchImages(QUERY)).toEqual([
      { name: 'docker.io/library/nginx', description: 'web', stars: 7, official: true },
    ])
  })

  test('never answers more than was asked for', async () => {
    const { engine } = await found(json(Array.from({ length: 9 }, () => ({ name: 'x' }))))
    expect(await engine.searchImages(QUERY)).toHaveLength(5)
  })

  test('finds nothing, or cannot reach the registry', async () => {
    expect(await (await found(json({ message: 'image not known' }, 404))).engine.searchImages(QUERY)).toEqual(
      [],
    )
    const message = 'Get "https://index.docker.io/v1/search": dial tcp: lookup index.docker.io: no such host'
    const { engine } = await found(json({ message }, 500))
    await expect(engine.searchImages(QUERY)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  })
})
