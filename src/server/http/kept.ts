/** What `ask` answered, for everybody who wants to know within the same `ms` milliseconds: it is asked once. */
export function keptFor<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly answer: Promise<T> } | undefined
  return () => {
    const at = performance.now()
    if (!last || at - last.at > ms) last = { at, answer: ask() }
    return last.answer
  }
}
