import type { AuditEntry } from '../../contract/audit.ts'
import { humanAge } from '../../terminal/humanize.ts'
import { printRecords, type RecordView } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { integer, text } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { parseUntil } from '../options/until.ts'

const DEFAULT_LIMIT = 50
/** Of a request's id on a terminal: enough to find it in the log. */
const SHORT_ID_LENGTH = 8

export default defineCommand({
  description: `Lists who changed what in the organization, newest first: images, API keys, registries, pushes and deletions,
logins and wrong passwords, and what the operator did. Needs the permission admin. The request id is the one in the server's log.`,
  arguments: {},
  options: {
    limit: integer('-l, --limit <n>', `entries (default: ${DEFAULT_LIMIT})`, { min: 1, max: 100_000 }),
    action: text('--action <name>', 'only this action: image.delete, or image for all of images'),
    target: text('--target <name>', 'only what was done with this'),
    user: text('--user <name>', 'only what this user did'),
    since: text('--since <time>', 'not older: 24h, 2026-01-31 or a date with time'),
    format: format(),
  },
  examples: [
    'imgctl audit list',
    'imgctl audit list --action image.delete --since 24h',
    "imgctl audit list --user ann --format '{{.At}} {{.Action}} {{.Target}}'",
  ],
  async run({ options }, { streams, server, signal }) {
    const { limit = DEFAULT_LIMIT, action, target, user, since, format } = options
    const now = Date.now()
    const query = {
      ...(action === undefined ? {} : { action }),
      ...(target === undefined ? {} : { target }),
      ...(user === undefined ? {} : { user }),
      ...(since === undefined ? {} : { since: new Date(parseUntil(since, now, '--since')).toISOString() }),
    }
    const api = await server()
    const entries: AuditEntry[] = []
    for (let cursor: string | null | undefined; cursor !== null && entries.length < limit; ) {
      const size = Math.min(limit - entries.length, MAX_PAGE)
      const page = await api.audit(
        { ...query, limit: size, ...(cursor ? { cursor: Number(cursor) } : {}) },
        signal,
      )
      entries.push(...page.items)
      cursor = page.nextCursor
    }
    await printRecords(streams.stdout, entries, auditView(now), { format })
    if (entries.length === 0 && format.kind === 'table') streams.stderr.write('No changes found\n')
  },
})

const MAX_PAGE = 200

function auditView(now: number): RecordView<AuditEntry> {
  return {
    columns: [
      { header: 'When', value: ({ at }) => at, human: ({ at }) => humanAge(at, now) },
      { header: 'Who', value: ({ user }) => user },
      { header: 'Key', value: ({ key }) => key },
      { header: 'Action', value: ({ action }) => action },
      { header: 'Target', value: ({ target }) => target },
      { header: 'From', value: ({ address }) => address },
      {
        header: 'Request',
        value: ({ requestId }) => requestId,
        human: ({ requestId }) => requestId.slice(0, SHORT_ID_LENGTH),
      },
    ],
    id: ({ id }) => String(id),
  }
}
