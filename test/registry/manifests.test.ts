import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { MAX_MANIFEST_BYTES } from '../../src/oci/manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type Fault, sha256, times } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'

const bytes = Buffer.from('{"schemaVersion":2}')
const digest = sha256(bytes)
const other = sha256(Buffer.from('other'))

async function setup() {
  const registry = await faultyRegistry()
  const manifest = { type: OCI_MANIFEST, bytes }
  registry.manifests.set('1.0', manifest).set(digest, manifest)
  const { client, retried } = openClient()
  return { registry, retried, repository: client.open(registry.location) }
}

test.each(['1.0', digest])('reads %s with its type, asking for every type there is', async (reference) => {
  const { registry, repository } = await setup()
  const content = await repository.readManifest(reference)
  expect(content).toMatchObject({ digest, mediaType: OCI_MANIFEST })
  expect(Buffer.from(content.bytes)).toEqual(bytes)
  expect(registry.seen[0]?.headers.accept).toContain(OCI_INDEX)
})

test('a manifest is verified against a digest of another algorithm, too', async () => {
  const { registry, repository } = await setup()
  const sha512 = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
  registry.manifests.set(sha512, { type: OCI_MANIFEST, bytes })
  expect((await repository.readManifest(sha512)).digest).toBe(sha512)
})

test('the type of an answer comes without parameters', async () => {
  const { registry, repository } = await setup()
  registry.headers = () => ({ 'content-type': `${OCI_MANIFEST}; charset=utf-8` })
  expect((await repository.readManifest('1.0')).mediaType).toBe(OCI_MANIFEST)
})

test('what is not there', async () => {
  const { repository } = await setup()
  expect(await rejection(repository.readManifest('2.0'))).toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  expect(await repository.manifestDigest('2.0')).toBeUndefined()
})

test('bytes that are not what was asked for by digest', async () => {
  const { registry, repository } = await setup()
  registry.manifests.set(other, { type: OCI_MANIFEST, bytes })
  expect(await rejection(repository.readManifest(other))).toMatchObject({ code: 'DIGEST_MISMATCH' })
})

test('bytes that are not what the registry says they are', async () => {
  const { registry, repository } = await setup()
  registry.headers = () => ({ 'docker-content-digest': other })
  expect(await rejection(repository.readManifest('1.0'))).toMatchObject({ code: 'DIGEST_MISMATCH' })
})

test.each(['with', 'without'])('a manifest that is too large, %s its length said', async (said) => {
  const { registry, repository } = await setup()
  const big = Buffer.alloc(MAX_MANIFEST_BYTES + 1, 32)
  registry.manifests.set('big', { type: OCI_MANIFEST, bytes: big })
  if (said === 'without')
    registry.headers = () => ({ 'content-length': undefined, 'transfer-encoding': 'chunked' })
  expect(await rejection(repository.readManifest('big'))).toMatchObject({ code: 'TOO_LARGE' })
})

test('the digest of a tag comes from the headers, or from the bytes where they do not have it', async () => {
  const { registry, repository } = await setup()
  expect(await repository.manifestDigest('1.0')).toBe(digest)
  expect(registry.count('GET')).toBe(0)
  registry.headers = () => ({ 'docker-content-digest': undefined })
  expect(await repository.manifestDigest('1.0')).toBe(digest)
  expect(registry.count('GET')).toBe(1)
})

test.each(['2.0', digest])('writes %s and answers the digest that was confirmed', async (reference) => {
  const { registry, repository } = await setup()
  registry.manifests.clear()
  expect(await repository.writeManifest(reference, OCI_INDEX, bytes)).toBe(digest)
  expect(registry.manifests.get(reference)).toEqual({ type: OCI_INDEX, bytes })
})

test('a registry that confirms nothing is looked at', async () => {
  const { registry, repository } = await setup()
  registry.headers = () => ({ 'docker-content-digest': undefined })
  expect(await repository.writeManifest('2.0', OCI_MANIFEST, bytes)).toBe(digest)
  expect(registry.count('HEAD')).toBe(1)
})

test('a registry that confirms another digest', async () => {
  const { registry, repository } = await setup()
  registry.headers = () => ({ 'docker-content-digest': other })
  const error = await rejection(repository.writeManifest('2.0', OCI_MANIFEST, bytes))
  expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
})

test('bytes that are not of the digest they are to be written as are not sent', async () => {
  const { registry, repository } = await setup()
  const error = await rejection(repository.writeManifest(other, OCI_MANIFEST, bytes))
  expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect(registry.seen).toEqual([])
})

test('a write is tried again after 503', async () => {
  const { registry, retried, repository } = await setup()
  registry.fault = times(3, () => ({ answer: 503 }))
  expect(await repository.writeManifest('2.0', OCI_MANIFEST, bytes)).toBe(digest)
  expect(retried).toHaveLength(3)
})

test.each([
  ['MANIFEST_BLOB_UNKNOWN', 'BLOB_MISSING'],
  ['MANIFEST_INVALID', 'MANIFEST_INVALID'],
  ['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED'],
])('%s', async (specCode, code) => {
  const { registry, repository } = await setup()
  const body = JSON.stringify({ errors: [{ code: specCode, message: 'no' }] })
  registry.fault = () => ({ answer: 400, body })
  const error = await rejection(repository.writeManifest('2.0', OCI_MANIFEST, bytes))
  expect(error).toMatchObject({ code, status: 400 })
})

test('deletes, and does nothing when it is gone', async () => {
  const { registry, repository } = await setup()
  await repository.deleteManifest('1.0')
  await repository.deleteManifest('1.0')
  expect(await repository.manifestDigest('1.0')).toBeUndefined()
  expect(registry.manifests.has(digest)).toBe(true)
})

test.each<[string, Fault, string]>([
  ['deletion that is switched off', { answer: 405 }, digest],
  ['a registry that deletes no tags', { answer: 400 }, '1.0'],
])('%s', async (_, fault, reference) => {
  const { registry, repository } = await setup()
  registry.fault = () => fault
  const error = await rejection(repository.deleteManifest(reference))
  expect(error).toMatchObject({ code: 'UNSUPPORTED', hint: expect.any(String) })
  expect(registry.manifests.size).toBe(2)
})

test.each(['../../other/manifests/1', 'a b', '', 'sha256:abc'])('%j is no reference', async (reference) => {
  const { registry, repository } = await setup()
  expect(await rejection(repository.readManifest(reference))).toMatchObject({ code: 'NAME_INVALID' })
  expect(registry.seen).toEqual([])
})

test('a digest that is called wrong, and is right, is sent again; and is the error when that stays so', async () => {
  const { registry, repository, retried } = await setup()
  const wrong = { answer: 400, body: '{"errors":[{"code":"DIGEST_INVALID"}]}' }
  const isPut = ({ method }: { method: string }) => method === 'PUT'
  registry.fault = times(2, (request) => (isPut(request) ? wrong : undefined))
  expect(await repository.writeManifest('1.0', OCI_MANIFEST, bytes)).toBe(digest)
  expect([registry.count('PUT'), retried.length]).toEqual([3, 2])
  registry.fault = (request) => (isPut(request) ? wrong : undefined)
  const writing = repository.writeManifest('1.0', OCI_MANIFEST, bytes)
  expect(await rejection(writing)).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect(registry.count('PUT')).toBe(3 + 5)
})
