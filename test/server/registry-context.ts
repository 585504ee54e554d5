import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import pino from 'pino'
import { onTestFinished } from 'vitest'
import { PERMISSIONS, type Permission } from '../../src/contract/identity.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openBlobStore } from '../../src/server/content/blob-store.ts'
import { openReserve } from '../../src/server/content/reserve.ts'
import type { ServerContext, ServerSettings } from '../../src/server/context.ts'
import { openKeys } from '../../src/server/identity/keys.ts'
import { hashApiKey } from '../../src/server/identity/principal.ts'
import { registryRoutes } from '../../src/server/registry/routes.ts'
import { openDatabase } from '../../src/server/store/database.ts'

export const GRACE_MS = 24 * 60 * 60 * 1000
export const IMAGE_BYTES = 64 * 1024 * 1024
/** A sender this silent may be replaced: short, so that a test need not wait. */
export const STALLED_MS = 50

export interface TestContext extends ServerContext {
  /** Moves the clock. */
  advance(ms: number): void
  /** How often the reconciler was told of work. */
  readonly wakes: () => number
}

/** A context on a temporary folder with a real database; the organizations `acme` and `other` exist. */
export async function testContext(settings: Partial<ServerSettings> = {}): Promise<TestContext> {
  const dataDir = settings.dataDir ?? (await mkdtemp(join(tmpdir(), 'imgctl-registry-')))
  const db = await openDatabase(join(dataDir, 'server.db'))
  let offset = 0
  let wakes = 0
  const now = () => Date.now() + offset
  const ctx: TestContext = {
    settings: {
      name: 'imgctl',
      version: '0.0.0',
      dataDir,
      host: '127.0.0.1',
      port: 0,
      tls: undefined,
      publicUrl: undefined,
      trustedProxies: [],
      insecureHttp: false,
      oidc: undefined,
      allowUpstream: [],
      platforms: [{ os: 'linux', architecture: 'amd64' }],
      limits: {
        imageBytes: IMAGE_BYTES,
        imagesPerOrganization: 100,
        requestsPerMinute: { key: 1_000_000, address: 1_000_000 },
      },
      graceMs: GRACE_MS,
      logLevel: 'silent',
      ...settings,
    },
    db,
    blobs: await openBlobStore(dataDir, { stalledMs: STALLED_MS }),
    reserve: await openReserve(dataDir),
    keys: await openKeys(dataDir, now),
    log: pino({ level: 'silent' }),
    now,
    accessTokens: { verify: async () => undefined },
    origin: () => undefined,
    wakeReconciler: () => {
      wakes++
    },
    advance: (ms) => {
      offset += ms
    },
    wakes: () => wakes,
  }
  if (settings.dataDir === undefined) {
    for (const slug of ['acme', 'other']) {
      await db
        .insertInto('organizations')
        .values({ id: `org-${slug}`, slug, name: slug, imageQuota: 100, createdAt: now() })
        .execute()
      await db
        .insertInto('users')
        .values({ id: `user-${slug}`, name: `${slug}-user`, email: null, createdAt: now() })
        .execute()
      await db
        .insertInto('memberships')
        .values({ organizationId: `org-${slug}`, userId: `user-${slug}`, permissionsJson: '["admin"]' })
        .execute()
    }
  }
  onTestFinished(async () => {
    await db.destroy().catch(() => {})
    await rm(dataDir, { recursive: true, force: true })
  })
  return ctx
}

/** A new API key of an organization. */
export async function apiKey(
  ctx: ServerContext,
  slug: 'acme' | 'other',
  permissions: readonly Permission[] = PERMISSIONS,
): Promise<string> {
  const value = `img_${randomBytes(32).toString('base64url')}`
  const id = randomUUID()
  await ctx.db
    .insertInto('api_keys')
    .values({
      id,
      organizationId: `org-${slug}`,
      userId: `user-${slug}`,
      name: id,
      hash: hashApiKey(value),
      masked: 'img_...xyz',
      permissionsJson: JSON.stringify(permissions),
      createdAt: ctx.now(),
      expiresAt: null,
      lastUsedAt: null,
    })
    .execute()
  return value
}

export interface TestServer {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** The registry on a free loopback port. */
export async function serve(ctx: ServerContext): Promise<TestServer> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(registryRoutes(ctx))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= app.close()
    return closed
  }
  onTestFinished(close)
  return { url: `http://127.0.0.1:${port}`, port, close }
}

export function basic(secret: string): string {
  return `Basic ${Buffer.from(`anyone:${secret}`).toString('base64')}`
}

export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function sha512(bytes: Uint8Array | string): Digest {
  return `sha512:${createHash('sha512').update(bytes).digest('hex')}`
}

/** Requests as one caller. `call` fails on another status than the expected one, and shows the answer. */
export class Client {
  readonly #url: string
  readonly #authorization: string | undefined

  constructor(server: TestServer, authorization?: string) {
    this.#url = server.url
    this.#authorization = authorization
  }

  async call(
    method: string,
    path: string,
    status: number,
    { body, headers = {} }: { body?: Uint8Array | string; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const response = await fetch(new URL(path, this.#url), {
      method,
      headers: { ...(this.#authorization ? { authorization: this.#authorization } : {}), ...headers },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    })
    if (response.status !== status) {
      throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`)
    }
    return response
  }

  /** The code of an answer that must be an error of the protocol. */
  async refused(
    method: string,
    path: string,
    status: number,
    options: { body?: Uint8Array | string; headers?: Record<string, string> } = {},
  ): Promise<string> {
    const response = await this.call(method, path, status, options)
    const body = (await response.json()) as { errors: { code: string }[] }
    return body.errors.map(({ code }) => code).join(' ')
  }

  /** The path of a new upload. */
  async upload(name: string, query = ''): Promise<string> {
    const response = await this.call('POST', `/v2/${name}/blobs/uploads/${query}`, 202)
    return response.headers.get('location') ?? ''
  }

  async pushBlob(name: string, bytes: Uint8Array | string): Promise<Digest> {
    const digest = sha256(bytes)
    await this.call('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, 201, { body: bytes })
    return digest
  }

  async pushManifest(name: string, reference: string, manifest: object): Promise<Digest> {
    const body = JSON.stringify(manifest)
    const mediaType = (manifest as { mediaType?: string }).mediaType ?? OCI_MANIFEST
    await this.call('PUT', `/v2/${name}/manifests/${reference}`, 201, {
      body,
      headers: { 'content-type': mediaType },
    })
    return sha256(body)
  }

  /** Pushes an image of one layer; other text gives another image. */
  async pushImage(name: string, reference: string, text = 'layer') {
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/hello'] },
      rootfs: { type: 'layers', diff_ids: [sha256(text)] },
    })
    const manifest = imageManifest(config, [text])
    await this.pushBlob(name, config)
    await this.pushBlob(name, text)
    const digest = await this.pushManifest(name, reference, manifest)
    return { digest, manifest, config: sha256(config), layer: sha256(text) }
  }
}

export function descriptor(mediaType: string, bytes: Uint8Array | string) {
  return { mediaType, digest: sha256(bytes), size: Buffer.byteLength(bytes) }
}

export function imageManifest(config: string, layers: readonly string[], more: object = {}) {
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(OCI_CONFIG, config),
    layers: layers.map((layer) => descriptor(OCI_LAYER_GZIP, layer)),
    ...more,
  }
}
