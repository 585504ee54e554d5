#!/usr/bin/env node
// Old syntax only, so that an old Node can say what it lacks instead of failing to parse.
var node = process.versions.node.split('.').map(Number)
var asked = process.argv.slice(2).join(' ')

if (node[0] < 20 || (node[0] === 20 && node[1] < 19)) {
  process.stderr.write(
    'error: imgctl needs Node.js 20.19 or newer, this is ' +
      process.versions.node +
      '\nhint: install a current Node.js: https://nodejs.org\n',
  )
  process.exitCode = 1
} else if (asked === '--version' || asked === '-V') {
  process.stdout.write('imgctl '.concat(require('../package.json').version, '\n'))
} else if (asked === '--help' || asked === '-h' || asked === '') {
  // Written by the build, so that the commonest question is answered as fast as Node starts.
  process.stdout.write(require('node:fs').readFileSync(require.resolve('../dist/help.txt')))
} else {
  // Compression, files and host names share Node's threads: one per core for the first, some for the others, which must
  // not wait for it. Node reads this when it first needs a thread, which importing does.
  process.env.UV_THREADPOOL_SIZE =
    process.env.UV_THREADPOOL_SIZE || String(require('node:os').availableParallelism() + 4)
  import('../dist/main.js')
}
