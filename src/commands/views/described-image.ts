import { shortDigest } from '../../oci/digest.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'

type Described = Readonly<Record<string, unknown>>

/** What `docker image inspect` has, in a table; all of it is in JSON. */
export const DESCRIBED: RecordView<Described> = {
  columns: [
    { header: 'Image ID', value: id, human: (image) => shortDigest(id(image)) },
    { header: 'Names', value: ({ RepoTags }) => (Array.isArray(RepoTags) ? RepoTags.join(', ') : null) },
    { header: 'Platform', value: ({ Os, Architecture }) => `${Os}/${Architecture}` },
    { header: 'Created', value: ({ Created }) => (typeof Created === 'string' ? Created : null) },
    { header: 'Size', value: size, human: (image) => humanBytes(size(image)) },
  ],
  id,
}

function id({ Id }: Described): string {
  return String(Id)
}

function size({ Size }: Described): number {
  return typeof Size === 'number' ? Size : 0
}
