import type { FastifyRequest } from 'fastify'
import type { ServerContext } from '../context.ts'
import { recordAudit } from './audit-log.ts'
import { clientAddress } from './client-address.ts'
import { membershipsOf } from './memberships.ts'
import { principalOfMember } from './principal.ts'

/** Writes into the audit log of each organization that the user is in what became of their access to it. */
export async function auditLogin(
  ctx: Pick<ServerContext, 'db' | 'now'>,
  { userId, login }: { readonly userId: string; readonly login: string },
  action: 'user.login' | 'user.password',
  request: Pick<FastifyRequest, 'id' | 'ip' | 'socket'>,
): Promise<void> {
  const { id: requestId } = request
  const address = clientAddress(request)
  for (const { organization } of await membershipsOf(ctx, userId)) {
    const principal = await principalOfMember(ctx, { userId, grantId: null }, organization)
    if (principal) await recordAudit(ctx, { principal, action, target: login, requestId, address })
  }
}
