import type { ApiKey } from '../../contract/identity.ts'
import { humanAge } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'
import { minuteText } from './time.ts'

/** The table of API keys. @param now milliseconds since 1970, for ages */
export function apiKeyView(now: number): RecordView<ApiKey> {
  return {
    columns: [
      { header: 'Key', value: ({ name }) => name },
      { header: 'Value', value: ({ value }) => value },
      {
        header: 'Permissions',
        value: ({ permissions }) => permissions.join(','),
        human: ({ permissions }) => permissions.join(', '),
        wraps: true,
      },
      {
        header: 'Expires',
        value: ({ expiresAt }) => expiresAt,
        human: ({ expiresAt }) => (expiresAt === null ? 'never' : expiryText(expiresAt, now)),
      },
      {
        header: 'Last used',
        value: ({ lastUsedAt }) => lastUsedAt,
        human: ({ lastUsedAt }) => (lastUsedAt === null ? 'never' : humanAge(lastUsedAt, now)),
      },
    ],
    id: ({ name }) => name,
  }
}

function expiryText(time: string, now: number): string {
  return Date.parse(time) <= now ? 'expired' : minuteText(time)
}
