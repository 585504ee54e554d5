/** Passes chunks on. When one was used up, `onBytes` is told how many bytes that makes in all. */
export async function* countedBytes(
  source: AsyncIterable<Uint8Array>,
  onBytes: (total: number) => void,
): AsyncGenerator<Uint8Array> {
  let total = 0
  for await (const chunk of source) {
    yield chunk
    total += chunk.length
    onBytes(total)
  }
}
