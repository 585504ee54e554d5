// Bundles src/ into dist/: pure JavaScript, lazily loaded chunks, nothing to install beside it.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { undiciWithoutWeb, withoutUnused, withPlainBuiltins } from './lean-bundle.mjs'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const made = join(root, `dist.new-${process.pid}`)
const old = join(root, `dist.old-${process.pid}`)
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/**
 * What bundled CommonJS code gets as `require`: Node's own modules, for there are no others. It is made without
 * importing 'node:module', which would evaluate all of that module's lazy exports.
 */
const REQUIRE = `const require = (id) => {
  const found = process.getBuiltinModule(id);
  if (found) return found;
  throw Object.assign(new Error("Cannot find module '" + id + "'"), { code: 'MODULE_NOT_FOUND' });
};`

/** Stands for the hash of all that is built, which is not known before. */
const BUILD = '@imgctl-build@'

const started = performance.now()
const { metafile, outputFiles } = await build({
  metafile: true,
  write: false,
  absWorkingDir: root,
  entryPoints: {
    main: 'src/main.ts',
    keychain: 'src/auth/keychain/program.ts',
    'hash-thread': 'src/archive/hash-thread.ts',
  },
  outdir: made,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  banner: { js: REQUIRE },
  define: {
    IMGCTL_VERSION: JSON.stringify(version),
    IMGCTL_BUILD: JSON.stringify(BUILD),
    IMGCTL_KEYCHAIN_PROGRAM: JSON.stringify('../keychain.js'),
    IMGCTL_HASH_THREAD: JSON.stringify('../hash-thread.js'),
  },
  // Native: loaded by dist/keychain.js only.
  external: ['@napi-rs/keyring'],
  plugins: [withoutUnused, undiciWithoutWeb],
  legalComments: 'linked',
  logLevel: 'warning',
})

const hash = createHash('sha256')
for (const { contents } of outputFiles) hash.update(contents)
const buildId = hash.digest('hex').slice(0, 8)
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  const code = text.replaceAll(BUILD, buildId)
  writeFileSync(path, path.endsWith('.js') ? withPlainBuiltins(code) : code)
}

const help = execFileSync(process.execPath, [join(made, 'main.js'), '--help'])
writeFileSync(join(made, 'help.txt'), help)

writeFileSync(join(made, 'packages.json'), `${JSON.stringify(bundledPackages(metafile), null, 2)}\n`)

// Swapped as a whole: a program that is started meanwhile finds the old one or the new.
rmSync(old, { recursive: true, force: true })
if (existsSync(dist)) renameSync(dist, old)
renameSync(made, dist)
rmSync(old, { recursive: true, force: true })

const files = readdirSync(dist, { recursive: true }).map((name) => statSync(join(dist, String(name))))
const bytes = files.filter((file) => file.isFile()).reduce((sum, { size }) => sum + size, 0)
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(`dist: imgctl ${version}, ${(bytes / 1e6).toFixed(1)} MB in ${seconds} s`)

/** Name, version and license of each package of which code is in the bundle. */
function bundledPackages({ outputs }) {
  const inputs = Object.values(outputs).flatMap((output) => Object.keys(output.inputs))
  const folders = new Set(
    inputs.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []),
  )
  const packages = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    return { name, version, license }
  })
  return packages.sort((a, b) => `${a.name} ${a.version}`.localeCompare(`${b.name} ${b.version}`))
}
