import type { FastifyReply, FastifyRequest } from 'fastify'
import { findRepository } from '../content/repositories.ts'
import type { ServerContext } from '../context.ts'
import type { Access } from './access.ts'
import { canDo } from './caller.ts'
import type { Target } from './target.ts'

/** One authorized request of the distribution protocol. */
export interface Call {
  readonly ctx: ServerContext
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly target: Target
  readonly access: Access
  readonly query: URLSearchParams
}

/** The repository's row; undefined before anything was pushed to it. */
export async function repositoryOf({ ctx, access, target }: Call): Promise<number | undefined> {
  if (access.publicOnly) return access.publicOnly.id
  return findRepository(ctx.db, access.organizationId, target.repository.path)
}

/** Whether this request shows that a push relies on what it asks for: a HEAD by someone who may push. */
export function isRelied({ request, access, target }: Call): boolean {
  return request.method === 'HEAD' && !access.publicOnly && canDo(access.caller, target.repository, 'push')
}

/** Who pushes, as shown to people. */
export function actorOf({ access }: Call): string | null {
  return access.caller.principal?.userName ?? null
}

/** `Content-Length` in bytes; undefined when the body is streamed in chunks. */
export function contentLength({ request }: Pick<Call, 'request'>): number | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return undefined
  return Number(request.headers['content-length'] ?? 0)
}

/** Where a blob is pulled from, for `Location`. */
export function blobLocation(name: string, digest: string): string {
  return `/v2/${name}/blobs/${digest}`
}
