import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { DockerfileSource } from '../../build/context-dockerfile.ts'

/** `--dockerfile FILE`, or `-`: the Dockerfile comes in on stdin. */
export async function dockerfileSource(option: string, stdin: Readable): Promise<DockerfileSource> {
  return option === '-' ? { content: await buffer(stdin) } : { path: option }
}
