import { readFile } from 'node:fs/promises'
import { baseImages } from '../../build/base-images.ts'
import { openContext } from '../../build/context.ts'
import type { ContextWords, DockerfileSource } from '../../build/context-dockerfile.ts'
import type { ContextSummary } from '../../build/context-summary.ts'
import { type Dockerfile, readDockerfile } from '../../build/dockerfile.ts'
import { buildKitFeatures, fixedPlatforms, secretArgumentWarning } from '../../build/dockerfile-checks.ts'
import { ImgctlError } from '../../errors/error.ts'
import { hasSystemCode, systemCode } from '../../internal/system-code.ts'
import { formatPlatform, type Platform } from '../../oci/platform.ts'
import type { BuildEvent, BuildResult, BuildSshAgent, EngineBuild } from '../../ports/engine-build.ts'
import type { RegistryCredentialsSource } from '../../ports/registry-credentials.ts'
import { buildFiles } from './build-files.ts'

/** Where the value of a secret is; it is read when the build asks for it, and goes nowhere else. */
export type SecretSource = { readonly id: string } & ({ readonly file: string } | { readonly value: string })

export interface BuildImageRequest {
  readonly folder: string
  readonly dockerfile?: DockerfileSource
  readonly tags: readonly string[]
  readonly platform?: Platform
  readonly target?: string
  readonly buildArgs: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly noCache: boolean
  readonly pull: boolean
  readonly cacheFrom: readonly string[]
  readonly secrets: readonly SecretSource[]
  readonly ssh: readonly BuildSshAgent[]
  readonly builder: 'auto' | 'buildkit' | 'classic'
  /** How the options for Dockerfile and folder are written, for hints. */
  readonly words: ContextWords
}

export interface BuildPorts {
  readonly engine: EngineBuild
  readonly credentials: RegistryCredentialsSource
}

/** What a build tells whoever watches it. */
export type BuildImageEvent =
  | BuildEvent
  /** What the build asked of the context was listed; sizes are bytes, without what a tar adds. */
  | { readonly kind: 'context-read'; readonly summary: ContextSummary }

/**
 * Builds a Dockerfile in the engine, from the context that docker would send.
 *
 * @throws ImgctlError FILE_NOT_FOUND or FILE_UNREADABLE for Dockerfile, context and secrets, before the engine is
 *   touched; and what EngineBuild.build throws
 */
export async function buildImage(
  { engine, credentials }: BuildPorts,
  request: BuildImageRequest,
  onEvent: (event: BuildImageEvent) => void,
  signal?: AbortSignal,
): Promise<BuildResult> {
  const context = await openContext({
    folder: request.folder,
    words: request.words,
    ...(request.dockerfile === undefined ? {} : { dockerfile: request.dockerfile }),
  })
  const { name, fileName, shown, content } = context.dockerfile
  const dockerfile = readDockerfile(content, shown)
  const secrets = await Promise.all(request.secrets.map(openSecret))
  for (const message of warnings(dockerfile, request)) onEvent({ kind: 'warning', message })

  const { platform, target, tags, buildArgs, labels, noCache, pull, cacheFrom, ssh, builder } = request
  return engine.build(
    {
      files: buildFiles(context, (summary) => onEvent({ kind: 'context-read', summary }), signal),
      dockerfile: { name, fileName, content, shownAs: shown },
      baseImages: baseImages(dockerfile, buildArgs),
      needsBuildKit: buildKitFeatures(dockerfile).map(({ what, line }) => `${what} (line ${line})`),
      ...(platform === undefined ? {} : { platform }),
      ...(target === undefined ? {} : { target }),
      ...{ tags, buildArgs, labels, noCache, pull, cacheFrom, secrets, ssh, builder },
      credentialsFor: (host) => credentials.credentialsFor(host, { signal }),
    },
    { onEvent, ...(signal ? { signal } : {}) },
  )
}

function* warnings(dockerfile: Dockerfile, { buildArgs, platform }: BuildImageRequest): Generator<string> {
  for (const name of Object.keys(buildArgs)) {
    const warning = secretArgumentWarning(name)
    if (warning !== undefined) yield warning
  }
  for (const { what, line, platform: fixed } of fixedPlatforms(dockerfile)) {
    if (platform === undefined || fixed === formatPlatform(platform)) continue
    yield `line ${line}: ${what} overrides --platform ${formatPlatform(platform)}`
  }
}

/** Reads a secret's file once at the start: one that is missing is told before anything is built. */
async function openSecret(source: SecretSource): Promise<{ id: string; read: () => Promise<Uint8Array> }> {
  const { id } = source
  if ('value' in source) return { id, read: async () => new TextEncoder().encode(source.value) }
  const content = await readSecret(id, source.file)
  return { id, read: async () => content }
}

async function readSecret(id: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    const missing = hasSystemCode(cause, 'ENOENT', 'ENOTDIR')
    throw new ImgctlError(
      missing ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE',
      missing
        ? `--secret ${id}: there is no file ${file}`
        : `--secret ${id}: ${file} cannot be read (${systemCode(cause)})`,
      { hint: `--secret id=${id},src=FILE, or id=${id},env=VARIABLE`, cause },
    )
  }
}
