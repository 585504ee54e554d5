import { expect, test } from 'vitest'
import { callEngine } from './services/engine.ts'
import { describeWith, service } from './services/use.ts'

describeWith(['dockerClassic', 'registry'], 'classic Docker Engine', () => {
  test('answers with the overlay2 store', async () => {
    const engine = service('dockerClassic')
    expect((await callEngine(engine.socketPath, '/_ping')).body.toString()).toBe('OK')
    expect(engine).toMatchObject({ storageDriver: 'overlay2', containerdStore: false })
  })
})

describeWith(['registry'], 'distribution registry', () => {
  test('answers the version check without credentials', async () => {
    expect((await fetch(`${service('registry').url}/v2/`)).status).toBe(200)
  })
})

describeWith(['privateRegistry'], 'private registry', () => {
  test('lets only its user in', async () => {
    const { url, username, password } = service('privateRegistry')
    expect((await fetch(`${url}/v2/`)).status).toBe(401)
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    expect((await fetch(`${url}/v2/`, { headers: { authorization } })).status).toBe(200)
  })
})
