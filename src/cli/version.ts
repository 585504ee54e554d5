/** Put in by scripts/build.mjs from package.json. */
declare const IMGCTL_VERSION: string | undefined

export const VERSION = typeof IMGCTL_VERSION === 'string' ? IMGCTL_VERSION : '0.0.0-source'

/** Put in by scripts/build.mjs: no two builds have the same. */
declare const IMGCTL_BUILD: string | undefined

export const BUILD = typeof IMGCTL_BUILD === 'string' ? IMGCTL_BUILD : 'source'
