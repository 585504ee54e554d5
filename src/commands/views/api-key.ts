import type { ApiKey } from '../../contract/identity.ts'
import { humanAge } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'
import { minuteText } from './time.ts'

/** The table of API keys. @param now milliseconds since 1970, for ages */
export function apiKeyView(now: number): RecordView<ApiKey> {
  return {
    columns: [
      { header: 'Key', value: ({ name }) => name },
      // Of a key that is kept the server tells the ends: the rest is stars, as many as are hidden.
      { header: 'Value', value: ({ value }) => value, human: ({ value }) => value.replace(/\*+/, '***') },
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
