import type { Engine } from '../../ports/engine.ts'
import type { ImageSource } from './source.ts'

/** The user named what was built: then it is theirs to keep, as after `docker build -t`. */
export async function keepBuilt(
  engine: Engine,
  { engineReference }: ImageSource,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (engineReference) await engine.tagImage(engineReference, name, signal)
}
