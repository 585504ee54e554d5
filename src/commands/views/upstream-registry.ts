import type { DockerRegistry } from '../../contract/docker-registry.ts'
import type { Format } from '../../terminal/format.ts'
import { humanAge } from '../../terminal/humanize.ts'
import { printRecords, type RecordView } from '../../terminal/records.ts'
import { type Streams, successLine } from '../../terminal/streams.ts'

/** The table of registries. @param now milliseconds since 1970, for ages */
export function registryView(now: number): RecordView<DockerRegistry> {
  return {
    columns: [
      { header: 'Registry', value: ({ name }) => name },
      { header: 'Host', value: ({ url }) => url },
      { header: 'TLS', value: ({ secure }) => secure, human: ({ secure }) => (secure ? 'Yes' : 'No') },
      { header: 'Username', value: ({ username }) => username },
      {
        header: 'Updated',
        value: ({ updatedAt }) => updatedAt,
        human: ({ updatedAt }) => humanAge(updatedAt, now),
      },
    ],
    id: ({ id }) => id,
  }
}

/** What a change made of it: a sentence for people, the record where a format asks for it. */
export async function printChangedRegistry(
  { stdout, stderr }: Streams,
  registry: DockerRegistry,
  done: string,
  format: Format,
): Promise<void> {
  stderr.write(successLine(stderr, `Registry ${registry.name} (${registry.url}) ${done}`))
  if (format.kind !== 'table') await printRecords(stdout, registry, registryView(Date.now()), { format })
}
