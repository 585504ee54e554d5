/**
 * An operating system and architecture, in Go's words (GOOS/GOARCH).
 * https://github.com/opencontainers/image-spec/blob/main/image-index.md
 */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

export const LINUX_AMD64: Platform = { os: 'linux', architecture: 'amd64' }

/** Names that some engines and configs use for an architecture that has a Go name. */
const ARCHITECTURE_ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  i686: '386',
  armhf: 'arm',
}

/** Lower case, Go's architecture names, and without the variant that is arm64's only one. */
export function normalizePlatform(platform: Platform): Platform {
  const raw = platform.architecture.toLowerCase()
  const architecture = ARCHITECTURE_ALIASES[raw] ?? raw
  const base = { os: platform.os.toLowerCase(), architecture }
  const variant = architecture === 'arm64' && platform.variant === 'v8' ? undefined : platform.variant
  return variant ? { ...base, variant } : base
}

/** `os/architecture[/variant]`; undefined when the text has another form. */
export function parsePlatform(text: string): Platform | undefined {
  const [os, architecture, variant, ...rest] = text.split('/')
  if (!os || !architecture || rest.length > 0 || variant === '') return undefined
  return normalizePlatform(variant ? { os, architecture, variant } : { os, architecture })
}

export function formatPlatform(platform: Platform): string {
  const parts = [platform.os, platform.architecture]
  if (platform.variant) parts.push(platform.variant)
  return parts.join('/')
}

/** Whether an image for `offered` runs where `wanted` is needed. A variant counts only when both name one. */
export function matchesPlatform(offered: Platform, wanted: Platform): boolean {
  const a = normalizePlatform(offered)
  const b = normalizePlatform(wanted)
  if (a.os !== b.os || a.architecture !== b.architecture) return false
  return !a.variant || !b.variant || a.variant === b.variant
}
