import { createHash } from 'node:crypto'
import type { ServerContext } from '../context.ts'

const MODEL = 'Grant'

/** What is stored of an id that whoever knows it may use. */
export function hashRecordId(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}

/** Whether a login at this server's own issuer still stands: not logged out, revoked or expired. */
export async function isLiveGrant(
  { db, now }: Pick<ServerContext, 'db' | 'now'>,
  grantId: string,
): Promise<boolean> {
  const row = await db
    .selectFrom('issuer_records')
    .select('expiresAt')
    .where('model', '=', MODEL)
    .where('id', '=', hashRecordId(grantId))
    .executeTakeFirst()
  return row !== undefined && (row.expiresAt === null || row.expiresAt > now())
}
