import { afterEach, beforeEach, expect, test } from 'vitest'
import { IMAGE_STATES, type ImageState } from '../../../src/contract/image.ts'
import { insertImage } from '../../../src/server/images/new-image.ts'
import { toFailure, toReason } from '../../../src/server/images/reasons.ts'
import { DEADLINES, TRANSITIONS, transition, WORKING_STATES } from '../../../src/server/images/states.ts'
import type { ImageTable } from '../../../src/server/store/schema.ts'
import { type OpenImages, openImages } from './open-images.ts'

let server: OpenImages
let image: ImageTable

beforeEach(async () => {
  server = await openImages()
  const name = { repository: 'app', tag: '1.0' }
  const source = { kind: 'pushed' } as const
  image = await server.ctx.db.transaction().execute((trx) =>
    insertImage(trx, {
      organizationId: server.acme.id,
      name,
      source,
      digest: null,
      actor: 'me',
      now: 1000,
    }),
  )
})
afterEach(() => server.close())

const row = () => server.ctx.db.selectFrom('images').selectAll().executeTakeFirstOrThrow()
const put = (changes: Partial<ImageTable>) => server.ctx.db.updateTable('images').set(changes).execute()
const move = (from: ImageTable, to: ImageState, options = {}) =>
  server.ctx.db.transaction().execute((trx) => transition(trx, from, to, { now: 5000, ...options }))

test.each(
  IMAGE_STATES.flatMap((from) =>
    IMAGE_STATES.map((to) => [from, to, TRANSITIONS[from].includes(to)] as const),
  ),
)('%s -> %s: %s', async (from, to, isAllowed) => {
  await put({ state: from })
  if (isAllowed) {
    expect(await move(await row(), to)).toBe(true)
    expect((await row()).state).toBe(to)
  } else {
    await expect(move(await row(), to)).rejects.toThrow(`cannot go from ${from} to ${to}`)
    expect((await row()).state).toBe(from)
  }
})

test('every state but error and removing can be removed from, fail or be pushed anew', () => {
  for (const state of WORKING_STATES)
    expect(TRANSITIONS[state]).toEqual(expect.arrayContaining(['error', 'removing', 'pending']))
  expect(TRANSITIONS.active).toEqual(['pending', 'removing'])
  expect(TRANSITIONS.error).toEqual(['pending', 'removing'])
})

test('every state in which work is done has a clock of its own (W-12)', () => {
  for (const state of WORKING_STATES) expect(DEADLINES[state]).toBeGreaterThan(0)
})

test('a new state begins without reason and attempts, with its own clock, free of leases, and in the history', async () => {
  const reasonJson = JSON.stringify(toReason(toFailure(new Error('secret')), 1, 1))
  await put({
    state: 'pulling_image',
    attempt: 3,
    reasonJson,
    leaseOwner: 'x',
    leaseUntil: 9,
    nextAttemptAt: 99_999,
  })
  await move(await row(), 'pending_validation')
  expect(await row()).toMatchObject({
    state: 'pending_validation',
    stateSince: 5000,
    attempt: 0,
    reasonJson: null,
    nextAttemptAt: 5000,
    leaseOwner: null,
    leaseUntil: null,
    createdAt: 1000,
  })
  const events = await server.ctx.db.selectFrom('image_events').selectAll().orderBy('id').execute()
  expect(events.map(({ type, state, at }) => [type, state, at])).toEqual([
    ['created', 'pending', 1000],
    ['state', 'pending_validation', 5000],
  ])
})

test('who lost the lease, or looks at an old state, writes nothing', async () => {
  await put({ leaseOwner: 'other' })
  expect(await move(image, 'pending_validation', { leaseOwner: 'me' })).toBe(false)
  expect(await move({ ...image, state: 'validating' }, 'active')).toBe(false)
  expect((await row()).state).toBe('pending')
  expect(await server.ctx.db.selectFrom('image_events').selectAll().execute()).toHaveLength(1)
})
