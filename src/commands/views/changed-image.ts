import type { Image } from '../../contract/image.ts'
import type { Format } from '../../terminal/format.ts'
import { printRecords } from '../../terminal/records.ts'
import type { Output } from '../../terminal/streams.ts'
import { imageRecord, imageView } from './image-record.ts'

/** The result of a command that changed one image: a sentence, or its record when a format was asked for. */
export async function printChangedImage(
  output: Output,
  image: Image,
  what: string,
  format: Format,
): Promise<void> {
  if (format.kind === 'table') output.write(`Image ${image.name} ${what}\n`)
  else await printRecords(output, imageRecord(image), imageView(Date.now()), { format })
}
