import { LINUX_AMD64 } from '../oci/platform.ts'
import type { ServerSettings } from './context.ts'

const GIB = 1024 ** 3
const HOUR_MS = 3_600_000

/** What must be chosen; everything else has a default. */
export type ChosenSettings = Partial<Omit<ServerSettings, 'limits'>> &
  Pick<ServerSettings, 'dataDir'> & { readonly limits?: Partial<ServerSettings['limits']> }

/** The settings with a default for each one that was not chosen. */
export function serverSettings({ limits, ...chosen }: ChosenSettings): ServerSettings {
  return {
    name: 'imgctl',
    version: '0.0.0',
    host: '127.0.0.1',
    port: 7700,
    tls: undefined,
    publicUrl: undefined,
    insecureHttp: false,
    trustedProxies: [],
    oidc: undefined,
    allowUpstream: [],
    platforms: [LINUX_AMD64],
    limits: {
      // Larger than images that people run; small enough that one push cannot fill a usual disk.
      imageBytes: 50 * GIB,
      imagesPerOrganization: 100_000,
      // No person or CI reaches these; a loop without a pause does.
      requestsPerMinute: { key: 6_000, address: 12_000 },
      ...limits,
    },
    // A push that was broken in the evening goes on the next day.
    graceMs: 24 * HOUR_MS,
    logLevel: 'info',
    ...chosen,
  }
}
