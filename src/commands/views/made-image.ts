import type { Format } from '../../terminal/format.ts'
import { printRecords, type RecordView } from '../../terminal/records.ts'
import type { Output } from '../../terminal/streams.ts'

/** An image that a command made in the engine. */
export interface MadeImage {
  readonly id: string
  /** The name that it was given. */
  readonly name: string | null
}

const MADE: RecordView<MadeImage> = {
  columns: [{ header: 'Image ID', value: ({ id }) => id }],
  id: ({ id }) => id,
}

/** Its id alone, as docker prints it; the record when a format was asked for. */
export async function printMadeImage(output: Output, made: MadeImage, format: Format): Promise<void> {
  if (format.kind === 'table') output.write(`${made.id}\n`)
  else await printRecords(output, made, MADE, { format })
}
