import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { listTar } from './list-tar.ts'

/** What the layers of a saved image hold, one after the other: see listTar. */
export async function listSavedImage(
  saved: AsyncIterable<Uint8Array> | readonly Uint8Array[],
): Promise<string[]> {
  const files = new Map<string, Buffer>()
  for await (const entry of Readable.from(saved).pipe(extract())) {
    files.set(entry.header.name, await buffer(entry))
  }
  const [manifest] = JSON.parse(files.get('manifest.json')!.toString()) as { Layers: string[] | null }[]
  const layers = (manifest?.Layers ?? []).map((name) => listTar(gunzipped(files.get(name)!)))
  return (await Promise.all(layers)).flat()
}

function gunzipped(bytes: Buffer): AsyncIterable<Uint8Array> {
  const source = Readable.from([bytes])
  return bytes[0] === 0x1f ? source.pipe(createGunzip()) : source
}
