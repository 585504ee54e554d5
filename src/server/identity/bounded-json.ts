/** Discovery documents and key sets have some kilobytes. */
const MAX_BYTES = 512 * 1024
/** A request that waits for an answer of ours waits for this one too. */
const TIMEOUT_MS = 5_000

/** A JSON document of a host that is trusted to be who it is, and not to be well. @throws Error */
export async function fetchBoundedJson(url: string): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    // A redirect would let the issuer's host hand its keys to another's.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok || !response.body) {
    await response.body?.cancel()
    throw new Error(`GET ${new URL(url).origin} answered ${response.status}`)
  }
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body) {
    size += part.byteLength
    if (size > MAX_BYTES) throw new Error(`GET ${new URL(url).origin}: more than ${MAX_BYTES} bytes`)
    parts.push(part)
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8'))
}
