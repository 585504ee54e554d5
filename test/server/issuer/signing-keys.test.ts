import type { JSONWebKeySet } from 'jose'
import { expect, it } from 'vitest'
import {
  SIGNING_KEY_MS,
  SigningKeyRing,
  VERIFYING_KEY_MS,
} from '../../../src/server/identity/signing-keys.ts'
import { openIssuer } from './open-issuer.ts'

const HOUR_MS = 3_600_000

it('signs with a new key every 30 days, and shows the old one until its tokens have ended', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const kids = async () => {
    const { keys } = (await (await fetch(`${open.issuer}/jwks`)).json()) as JSONWebKeySet
    expect(keys.every((key) => !('d' in key))).toBe(true)
    return keys.map(({ kid }) => kid)
  }
  const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid
  const first = await open.logIn('alice')
  const [old] = await kids()
  expect(kidOf(first.access_token)).toBe(old)
  open.advance(SIGNING_KEY_MS)
  const [fresh, ...verifying] = await kids()
  expect(fresh).not.toBe(old)
  expect(verifying).toEqual([old])
  // Logins outlive keys.
  const { body } = await open.refresh(first.refresh_token)
  expect([kidOf(body.access_token), kidOf(body.id_token)]).toEqual([fresh, fresh])
  open.advance(VERIFYING_KEY_MS + HOUR_MS)
  expect(await kids()).toEqual([fresh])
  open.advance(SIGNING_KEY_MS)
  await kids()
  const rows = await open.server.context.db.selectFrom('signing_keys').select('kid').execute()
  expect(rows).toHaveLength(2)
  expect(rows.map(({ kid }) => kid)).not.toContain(old)
})

it('makes one key when several rings want the next one at once', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const before = await open.logIn('alice')
  open.advance(SIGNING_KEY_MS)
  const { context } = open.server
  const rings = Array.from({ length: 4 }, () => new SigningKeyRing(context))
  const seen = await Promise.all(rings.map(async (ring) => (await ring.current()).map(({ kid }) => kid)))
  const stored = await context.db
    .selectFrom('signing_keys')
    .select('kid')
    .orderBy('createdAt', 'desc')
    .execute()
  expect(stored).toHaveLength(2)
  for (const kids of seen) expect(kids).toEqual(stored.map(({ kid }) => kid))
  expect((await open.refresh(before.refresh_token)).status).toBe(200)
})
