/** The archive that is to be written, uncompressed. */
export interface ArchiveContent {
  /** Where the bytes come from. */
  readonly phase: 'export' | 'download'
  /** Each chunk is to be used up before the next one is asked for. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** How many there are; an estimate when an engine makes the archive. */
  readonly total: number | undefined
}

export type SaveFormat = 'docker' | 'oci'
