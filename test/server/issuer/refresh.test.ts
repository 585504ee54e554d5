import { decodeJwt } from 'jose'
import { expect, it } from 'vitest'
import { REUSE_GRACE_MS } from '../../../src/server/issuer/adapter.ts'
import { openIssuer } from './open-issuer.ts'

it('gives 20 processes with the same refresh token an answer each', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const { refresh_token: token } = await open.logIn('alice')
  const answers = await Promise.all(Array.from({ length: 20 }, () => open.refresh(token)))
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(20)
  expect(answers.some(({ body }) => body.refresh_token === token)).toBe(false)
  // Whichever of them was stored last: the login goes on.
  for (const { body } of [answers[0]!, answers[19]!]) {
    expect((await open.refresh(body.refresh_token)).status).toBe(200)
    expect((await open.call('/users/me', body.access_token)).status).toBe(200)
  }
})

it('does not lose the login when the answer was lost', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const { refresh_token: token } = await open.logIn('alice')
  expect((await open.refresh(token)).status).toBe(200)
  open.advance(REUSE_GRACE_MS - 1000)
  const again = await open.refresh(token)
  expect(again.status).toBe(200)
  expect((await open.refresh(again.body.refresh_token)).status).toBe(200)
})

it('ends the login when a refresh token is used again after the grace', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const { refresh_token: token } = await open.logIn('alice')
  const { body: next } = await open.refresh(token)
  open.advance(REUSE_GRACE_MS / 2)
  // A use within the grace does not prolong it.
  expect((await open.refresh(token)).status).toBe(200)
  open.advance(REUSE_GRACE_MS / 2)
  expect((await open.refresh(token)).body).toMatchObject({ error: 'invalid_grant' })
  expect((await open.refresh(next.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
  expect((await open.call('/users/me', next.access_token)).status).toBe(401)
})

it('refreshes for this server only, and only its own client', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const { refresh_token: token } = await open.logIn('alice')
  const form = { grant_type: 'refresh_token', client_id: 'imgctl', refresh_token: token }
  expect((await open.token({ ...form, resource: 'https://other.example/api' })).body.error).toBe(
    'invalid_target',
  )
  expect((await open.token({ ...form, client_id: 'other' })).body.error).toBe('invalid_client')
  const plain = await open.token(form)
  expect(decodeJwt(plain.body.access_token)['aud']).toBe(open.audience)
})

it('keeps nothing in the database that could be used', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const tokens = await open.logIn('alice')
  const { db } = open.server.context
  const rows = JSON.stringify([
    await db.selectFrom('issuer_records').selectAll().execute(),
    await db.selectFrom('accounts').selectAll().execute(),
    await db.selectFrom('signing_keys').selectAll().execute(),
  ])
  expect(rows).toContain('RefreshToken')
  expect(rows).not.toContain(tokens.refresh_token)
  expect(rows).not.toContain('correct horse')
  expect(rows).not.toContain('"d"')
  for (const secret of [tokens.refresh_token, tokens.access_token, 'correct horse']) {
    expect(open.logText()).not.toContain(secret)
  }
})
