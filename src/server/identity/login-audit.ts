import type { FastifyRequest } from 'fastify'
import type { ServerContext } from '../context.ts'
import { recordAudit, recordUserlessChange } from './audit-log.ts'
import { clientAddress } from './client-address.ts'
import { mayWriteFailure } from './login-throttle.ts'
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

/**
 * Writes a wrong password for a user into the audit log of each of their organizations, as nobody's doing. What was
 * typed is not in it, and no more is written than mayWriteFailure lets through. Call it when the answer is out: the time
 * that it takes would tell that there is such a user.
 *
 * @param request.address from clientAddress
 */
export async function auditFailedLogin(
  ctx: Pick<ServerContext, 'db' | 'now' | 'reserve'>,
  { userId, login }: { readonly userId: string; readonly login: string },
  request: { readonly requestId: string; readonly address: string },
): Promise<void> {
  const organizations = (await membershipsOf(ctx, userId)).map(({ organization }) => organization)
  if (organizations.length === 0) return
  await ctx.reserve.use(async () => {
    if (!(await mayWriteFailure(ctx))) return
    const change = { by: null, action: 'user.login-failed', target: login } as const
    await recordUserlessChange(ctx, { ...change, organizations, request })
  })
}
