import type { SetupLink } from '../../ports/server-users.ts'
import type { RecordView } from '../../terminal/records.ts'
import type { Streams } from '../../terminal/streams.ts'

export const SETUP_LINK_VIEW: RecordView<SetupLink> = {
  columns: [{ header: 'Link', value: ({ link }) => link }],
  id: ({ link }) => link,
}

/** The link alone on stdout, so that it can be piped to a mail; what it is for on stderr. */
export function printSetupLink(
  { stdout, stderr }: Pick<Streams, 'stdout' | 'stderr'>,
  { user, link, expiresAt }: SetupLink,
): void {
  stderr.write(`${user} sets a password with this link, once, until ${expiresAt}:\n`)
  stdout.write(`${link}\n`)
}
