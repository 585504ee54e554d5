import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { callEngine } from './engine.ts'

export interface ImageRecipe {
  /** The tag to give. */
  reference: string
  dockerfile: string
  /** Build context: path to content, or to the host file to copy. Files are executable. */
  files: Record<string, string | { from: string }>
  platform?: string
}

/**
 * Builds through the engine's own API: BuildKit on Docker (`version=2`), buildah on Podman, which
 * ignores that parameter. A recipe may RUN nothing on an arm64 platform: there is no emulation here.
 */
export async function buildImage(socketPath: string, recipe: ImageRecipe): Promise<void> {
  const query = new URLSearchParams({ t: recipe.reference, version: '2', rm: '1' })
  // Podman's cache takes a layer's image of another platform for a hit.
  query.set('nocache', '1')
  query.set('platform', recipe.platform ?? 'linux/amd64')
  const reply = await callEngine(socketPath, `/build?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-tar' },
    body: await contextOf(recipe),
  })
  const failure = reply.status === 200 ? errorLine(reply.body.toString()) : reply.body.toString()
  if (failure !== undefined) throw new Error(`building ${recipe.reference} failed: ${failure}`)
}

/** The status of a build is always 200: a failure is a line of its answer. */
function errorLine(body: string): string | undefined {
  const lines = body.split('\n').filter((line) => line.startsWith('{'))
  const errors = lines.map((line) => (JSON.parse(line) as { error?: string }).error)
  return errors.find((error) => error !== undefined)
}

/** The build context as a tar, Dockerfile included. */
export async function contextOf(recipe: Pick<ImageRecipe, 'dockerfile' | 'files'>): Promise<Buffer> {
  const tar = pack()
  const mtime = new Date('2024-01-01T00:00:00Z')
  tar.entry({ name: 'Dockerfile', mtime }, recipe.dockerfile)
  for (const [name, content] of Object.entries(recipe.files)) {
    const bytes = typeof content === 'string' ? content : await readFile(content.from)
    tar.entry({ name, mode: 0o755, mtime }, bytes)
  }
  tar.finalize()
  return buffer(tar)
}
