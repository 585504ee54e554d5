// Bundles src/ into dist/: pure JavaScript, lazily loaded chunks, nothing to install beside it.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** CommonJS dependencies call `require` for Node's own modules; an ES module has none. */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"

const started = performance.now()
rmSync(dist, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: { main: 'src/main.ts' },
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  banner: { js: REQUIRE },
  define: { IMGCTL_VERSION: JSON.stringify(version) },
  legalComments: 'linked',
  logLevel: 'warning',
})

const files = readdirSync(dist, { recursive: true }).map((name) => statSync(join(dist, String(name))))
const bytes = files.filter((file) => file.isFile()).reduce((sum, { size }) => sum + size, 0)
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(`dist: imgctl ${version}, ${(bytes / 1e6).toFixed(1)} MB in ${seconds} s`)
