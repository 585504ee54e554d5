// What keeps the program quick to start: see docs/adr/0068-start-costs.md.
import { join } from 'node:path'

/**
 * What libraries load for work that imgctl does not give them: Commander for subcommands that are programs of their own;
 * dockerode for builds over a session (gRPC and protobuf, a megabyte) and of folders, and for engines behind TLS, which
 * our own agent dials; undici for HTTP/2.
 */
const UNUSED = [
  { importer: /[\\/]commander[\\/]/, module: /^node:child_process$/ },
  {
    importer: /[\\/]dockerode[\\/]lib[\\/]/,
    module: /^(\.\/(session|buildkit)|tar-fs|@balena\/dockerignore)$/,
  },
  { importer: /[\\/]docker-modem[\\/]lib[\\/]/, module: /^https$/ },
  { importer: /[\\/]undici[\\/]lib[\\/]dispatcher[\\/]client\.js$/, module: /^\.\/client-h2\.js$/ },
]

export const withoutUnused = {
  name: 'without-unused',
  setup(build) {
    for (const { importer, module } of UNUSED) {
      build.onResolve({ filter: module }, (found) =>
        importer.test(found.importer) ? { path: 'none', namespace: 'none' } : undefined,
      )
    }
    build.onLoad({ filter: /^none$/, namespace: 'none' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/** Who uses undici's fetch, because a library wants one. */
const FETCHES = /[\\/]src[\\/]auth[\\/]oauth[\\/]/

/** undici without fetch, WebSocket, mocks and caches, which its index loads: they are two thirds of it. */
export const undiciWithoutWeb = {
  name: 'undici-without-web',
  setup(build) {
    build.onResolve({ filter: /^undici$/ }, ({ importer }) =>
      FETCHES.test(importer) ? undefined : { path: join(import.meta.dirname, 'undici-client.mjs') },
    )
  },
}

/** `import { a, b as c } from "node:x";` as esbuild writes it: a line of its own. */
const BUILTIN_IMPORT =
  /^import (?:(?<whole>\w+)|\* as (?<space>\w+))?(?:, )?(?:\{(?<names>[^}]*)\})? from "(?<id>[\w:/]+)";\n/gm

/**
 * Takes Node's own modules as they are. An import would evaluate all of a module's lazy exports: for node:http that is
 * Node's whole fetch, which takes as long as starting Node.
 */
export function withPlainBuiltins(code) {
  const taken = []
  const rest = code.replace(BUILTIN_IMPORT, (line, ...found) => {
    const { whole, space, names, id } = found.at(-1)
    const module = process.getBuiltinModule(id)
    if (module === undefined) return line
    // A module may import `process` itself.
    const value = `globalThis.process.getBuiltinModule(${JSON.stringify(id)})`
    for (const name of [whole, space]) if (name) taken.push(`const ${name} = ${value};\n`)
    if (names) taken.push(`const {${names.replaceAll(' as ', ': ')}} = ${value};\n`)
    return ''
  })
  return taken.join('') + rest
}
