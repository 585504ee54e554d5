import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Image, ImageEvent, ImageState } from '../../../src/contract/image.ts'
import { CHECKING, claimNext, FETCHING, LEASE_MS, renewLease } from '../../../src/server/images/lease.ts'
import { insertImage } from '../../../src/server/images/new-image.ts'
import { StepFailure } from '../../../src/server/images/reasons.ts'
import { DEADLINES, transition, WORKING_STATES } from '../../../src/server/images/states.ts'
import type { Step, Steps } from '../../../src/server/images/steps.ts'
import { makeImage, pushTag, storeImage } from './content.ts'
import { type OpenImages, openImages } from './open-images.ts'

let server: OpenImages
const one = makeImage({ seed: 'one' })
const two = makeImage({ seed: 'two' })

beforeEach(async () => {
  server = await openImages()
  await storeImage(server.ctx, server.acme, 'app', one)
  await storeImage(server.ctx, server.acme, 'app', two)
})
afterEach(() => server.close())

const push = async (name: string, { digest } = one): Promise<Image> => {
  await pushTag(server.ctx, server.acme, name, digest)
  return (await server.call('GET', `/images/${name}`)).body
}
const fetchImage = async (name: string, { key } = server.acme): Promise<Image> => {
  const source = { kind: 'registry', reference: 'registry.test/app:1' }
  return (await server.call('POST', '/images', { key, body: { name, source } })).body
}
const image = async (id: string) => (await server.call('GET', `/images/${id}`)).body
const events = async (id: string) => (await server.call<ImageEvent[]>('GET', `/images/${id}/events`)).body
const put = (changes: object) => server.ctx.db.updateTable('images').set(changes).execute()
const row = () => server.ctx.db.selectFrom('images').selectAll().executeTakeFirstOrThrow()

/** An image that has been in `pending` for that long. */
async function makeQueued(name: string, age: number): Promise<string> {
  const source = { kind: 'pushed' } as const
  const [repository, tag] = name.split(':') as [string, string]
  const now = server.ctx.now() - age
  const { id } = await server.ctx.db.transaction().execute((trx) =>
    insertImage(trx, {
      organizationId: server.acme.id,
      name: { repository, tag },
      source,
      digest: one.digest,
      actor: null,
      now,
    }),
  )
  server.ctx.wakeReconciler()
  return id
}

/** Every state passes at once, but for the given ones. */
function steps(given: Partial<Record<ImageState, Step>>): Steps {
  return {
    pending: async ({ sourceJson }) => ({
      to: sourceJson.includes('registry') ? 'pulling_image' : 'pending_validation',
    }),
    pulling_image: async () => ({ to: 'pending_validation' }),
    pending_validation: async () => ({ to: 'validating' }),
    validating: async () => ({ to: 'active' }),
    ...given,
  }
}

/** A step that waits until it is told to go on. */
function gate(to: ImageState) {
  const reached = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  const step: Step = async () => {
    reached.resolve()
    await opened.promise
    return { to }
  }
  return { step, reached: reached.promise, open: opened.resolve }
}

/** Waits until the condition holds. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('a push wakes an idle reconciler: nothing waits for a next round', { timeout: 10_000 }, async () => {
  server.startReconciler()
  await until(async () => (await server.settled((await push('app:1')).id)).state === 'active')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect((await server.settled((await push('app:2')).id)).state).toBe('active')
})

test('many pushes wait for their turn and all get it (W-13)', async () => {
  server.startReconciler()
  const images = await Promise.all(Array.from({ length: 30 }, (_, i) => push(`app:${i}`)))
  const ends = await Promise.all(images.map(({ id }) => server.settled(id)))
  expect(new Set(ends.map(({ state }) => state))).toEqual(new Set(['active']))
})

describe('after a crash', () => {
  test.each(WORKING_STATES)('in %s the image goes on to its end', async (state) => {
    const { id } = await push('app:1')
    const leaseUntil = Date.now() + LEASE_MS
    await put({ state, leaseOwner: 'the dead', leaseUntil, stateSince: Date.now() - 30 * 24 * 3_600_000 })
    server.startReconciler(steps({}))
    expect(await server.settled(id)).toMatchObject({ state: 'active', reason: null })
  })

  test.each(WORKING_STATES)('in %s of the real steps too', async (state) => {
    const { id } = await push('app:1')
    await put({ state, leaseOwner: 'the dead', leaseUntil: Date.now() + LEASE_MS })
    server.startReconciler()
    const { reason } = await server.settled(id)
    // What was in the middle of a fetch has no source here, which is an end as well.
    expect(reason?.code).toBe(state === 'pulling_image' ? 'INTERNAL' : undefined)
  })

  test('an image on which the server dies again and again is given up', async () => {
    const { id } = await push('app:1')
    await put({ state: 'validating', leaseOwner: 'the dead', leaseUntil: Date.now() + LEASE_MS, attempt: 11 })
    server.startReconciler()
    const { state, reason } = await server.settled(id)
    expect([state, reason?.code, reason?.attempt]).toEqual(['error', 'INTERNAL', 13])
  })
})

describe('stopping', () => {
  test('breaks the step off, gives the image back as it is, and the next start goes on', async () => {
    const { id } = await push('app:1')
    const { step, reached } = gate('active')
    const reconciler = server.startReconciler(steps({ validating: step }))
    await reached
    await reconciler.stop()
    expect(await row()).toMatchObject({ state: 'validating', leaseOwner: null, attempt: 0, reasonJson: null })
    server.startReconciler()
    expect((await server.settled(id)).state).toBe('active')
  })

  test('the step hears of it', async () => {
    await push('app:1')
    const reached = Promise.withResolvers<void>()
    let isAborted = false
    const reconciler = server.startReconciler(
      steps({
        validating: (_, signal) => {
          reached.resolve()
          return new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              isAborted = true
              reject(signal.reason)
            })
          })
        },
      }),
    )
    await reached.promise
    await reconciler.stop()
    expect(isAborted).toBe(true)
    expect((await row()).state).toBe('validating')
  })
})

describe('a lease', () => {
  const claim = () => claimNext(server.ctx.db, CHECKING, server.ctx.now())

  test('has one owner', async () => {
    await push('app:1')
    await push('app:2')
    const claims = await Promise.all([claim(), claim(), claim()])
    expect(new Set(claims.map((each) => each?.image.name))).toEqual(new Set(['app:1', 'app:2', undefined]))
  })

  test('that is not renewed is taken over, and its old owner writes nothing (W-15)', async () => {
    await push('app:1')
    const first = (await claim())!
    server.advance(LEASE_MS / 2)
    expect(await claim()).toBeUndefined()
    expect(await renewLease(server.ctx.db, first, server.ctx.now())).toBe(true)
    server.advance(LEASE_MS / 2)
    expect(await claim()).toBeUndefined()
    server.advance(LEASE_MS)
    const second = (await claim())!
    expect(second.image.id).toBe(first.image.id)
    expect(await renewLease(server.ctx.db, first, server.ctx.now())).toBe(false)
    const moved = await server.ctx.db
      .transaction()
      .execute((trx) =>
        transition(trx, first.image, 'pending_validation', { now: 1, leaseOwner: first.owner }),
      )
    expect(moved).toBe(false)
    expect((await row()).leaseOwner).toBe(second.owner)
  })

  test('is lost when another digest is pushed: the new one is what gets checked', async () => {
    const { id } = await push('app:1')
    const { step, reached, open } = gate('active')
    const seen: (string | null)[] = []
    server.startReconciler(
      steps({
        validating: async (each, signal) => {
          seen.push(each.digest)
          return each.digest === one.digest ? step(each, signal) : { to: 'active' }
        },
      }),
    )
    await reached
    await push('app:1', two)
    expect(await server.settled(id, ['active'])).toMatchObject({ digest: two.digest })
    open()
    expect(seen).toEqual([one.digest, two.digest])
    const active = (await events(id)).filter(({ state }) => state === 'active')
    expect(active.map(({ digest }) => digest)).toEqual([two.digest])
  })
})

describe('what may pass', () => {
  const busy = (details = {}) =>
    new StepFailure('UPSTREAM_RATE_LIMITED', 'slow down', { retryable: true, ...details })

  /** Lets the waits pass until the image has settled. */
  async function pass(id: string): Promise<Image> {
    await until(async () => {
      server.advance(60_000)
      server.ctx.wakeReconciler()
      return ['active', 'error'].includes((await image(id)).state)
    })
    return image(id)
  }

  test('is tried again in the same state, visibly, and the reason goes with success', async () => {
    const { id } = await fetchImage('app:1')
    let tries = 0
    server.startReconciler(
      steps({
        pulling_image: async () => {
          if (++tries < 3) throw busy({ retryAfter: 30 })
          return { to: 'pending_validation' }
        },
      }),
    )
    await until(async () => (await image(id)).reason !== null)
    expect(await image(id)).toMatchObject({
      state: 'pulling_image',
      step: expect.stringMatching(/^next try at 20\d\d-/),
      reason: { code: 'UPSTREAM_RATE_LIMITED', message: 'slow down', retryable: true, attempt: 1 },
      errorReason: null,
    })
    expect((await row()).nextAttemptAt).toBeGreaterThanOrEqual((await row()).updatedAt + 30_000)
    expect(await pass(id)).toMatchObject({ state: 'active', reason: null })
    expect(tries).toBe(3)
    const retries = (await events(id)).filter(({ type }) => type === 'retry')
    expect(retries.map(({ state, reason }) => [state, reason?.attempt])).toEqual([
      ['pulling_image', 1],
      ['pulling_image', 2],
    ])
  })

  test('and does not pass ends in error, which a retry may mend', async () => {
    const { id } = await push('app:1')
    let tries = 0
    server.startReconciler(
      steps({
        validating: async () => {
          tries++
          throw new StepFailure('UPSTREAM_UNREACHABLE', 'nobody there', { retryable: true })
        },
      }),
    )
    const { state, reason } = await pass(id)
    expect([state, reason?.code, reason?.retryable, reason?.attempt, tries]).toEqual([
      'error',
      'UPSTREAM_UNREACHABLE',
      true,
      4,
      4,
    ])
  })

  test('but not before the deadline, is not waited for', async () => {
    const { id } = await fetchImage('app:1')
    server.startReconciler(
      steps({
        pulling_image: async () => {
          throw busy({ retryAfter: 1_000_000 })
        },
      }),
    )
    expect((await server.settled(id)).reason).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', attempt: 1 })
  })

  test('a fault of the server shows no internals (W-44)', async () => {
    const { id } = await push('app:1')
    server.startReconciler(
      steps({
        validating: async () => {
          throw new Error('connect to 10.0.0.1 with password hunter2 failed')
        },
      }),
    )
    const { reason, errorReason } = await pass(id)
    expect(reason?.code).toBe('INTERNAL')
    expect(reason?.hint).toBeTruthy()
    expect(`${JSON.stringify(reason)}${errorReason}${JSON.stringify(await events(id))}`).not.toMatch(
      /hunter2|10\.0/,
    )
  })
})

describe('deadlines', () => {
  test('a step that hangs and hears nothing ends in TIMEOUT', async () => {
    const { id } = await push('app:1')
    server.startReconciler(
      steps({
        // 50 ms are left of the state that follows.
        pending_validation: async () => ({
          to: 'validating',
          changes: { stateSince: server.ctx.now() - DEADLINES.validating! + 50 },
        }),
        validating: () => new Promise(() => {}),
      }),
    )
    const { state, reason } = await server.settled(id)
    expect([state, reason?.code]).toEqual(['error', 'TIMEOUT'])
    expect(reason?.message).toBe('validating took longer than 10 minutes')
  })

  test('what waited too long for its turn is not begun', async () => {
    const validating = gate('active')
    server.startReconciler(steps({ validating: validating.step }))
    const first = await push('app:1')
    // From here on nobody resets the clock.
    await validating.reached
    const queued = await makeQueued('app:2', DEADLINES.pending!)
    const { state, reason } = await server.settled(queued)
    expect([state, reason?.code]).toEqual(['error', 'TIMEOUT'])
    validating.open()
    expect((await server.settled(first.id)).state).toBe('active')
  })

  test('age alone is no fault: only the present state is timed (W-12)', async () => {
    const { id } = await push('app:1')
    await put({ createdAt: 1, updatedAt: 1 })
    server.startReconciler()
    expect((await server.settled(id)).state).toBe('active')
  })
})

describe('lanes', () => {
  test('fetches that take for ever are few at a time and delay no push', async () => {
    const { step, open } = gate('pending_validation')
    let running = 0
    let most = 0
    const fetches = await Promise.all(Array.from({ length: 6 }, (_, i) => fetchImage(`web:${i}`)))
    server.startReconciler(
      steps({
        pulling_image: async (...of) => {
          most = Math.max(most, ++running)
          const result = await step(...of)
          running--
          return result
        },
      }),
    )
    await until(async () => running === 2)
    expect((await server.settled((await push('app:1')).id)).state).toBe('active')
    expect(most).toBe(2)
    open()
    for (const { id } of fetches) expect((await server.settled(id)).state).toBe('active')
    expect(most).toBe(2)
  })

  test('fetches of one organization leave a place for the others', async () => {
    const other = await server.addOrganization('other')
    for (let i = 0; i < 4; i++) await fetchImage(`web:${i}`)
    await fetchImage('web:1', other)
    const claim = async () =>
      (await claimNext(server.ctx.db, FETCHING, server.ctx.now()))?.image.organizationId
    expect([await claim(), await claim(), await claim(), await claim()]).toEqual([
      server.acme.id,
      other.id,
      server.acme.id,
      undefined,
    ])
  })
})

test('what cannot be written does not stop the rest', async () => {
  const { id } = await push('app:1')
  const steady = await push('app:2')
  server.startReconciler(
    steps({
      validating: async (each) => ({
        to: 'active',
        ...(each.id === id ? { commit: () => Promise.reject(new Error('no')) } : {}),
      }),
    }),
  )
  expect((await server.settled(steady.id)).state).toBe('active')
  await until(async () => (await image(id)).reason !== null)
  expect(await image(id)).toMatchObject({
    state: 'validating',
    reason: { code: 'INTERNAL', retryable: true },
  })
})
