/**
 * Runs `action` over `items`, at most `limit` at a time, and answers the results in the items' order. The first
 * failure aborts the signal that the others were given; they are waited for before it is thrown.
 */
export async function mapLimit<T, R>(
  items: readonly T[],
  limit: number,
  action: (item: T, index: number, signal: AbortSignal) => Promise<R>,
  outer?: AbortSignal,
): Promise<R[]> {
  const controller = new AbortController()
  const signal = outer ? AbortSignal.any([outer, controller.signal]) : controller.signal
  const results = new Array<R>(items.length)
  const failures: unknown[] = []
  let next = 0
  const worker = async () => {
    while (next < items.length && failures.length === 0) {
      const index = next++
      try {
        signal.throwIfAborted()
        results[index] = await action(items[index]!, index, signal)
      } catch (error) {
        failures.push(error)
        controller.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}
