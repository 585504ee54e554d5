#!/usr/bin/env node
// Old syntax only, so that an old Node can say what it lacks instead of failing to parse.
var version = process.versions.node.split('.').map(Number)
if (version[0] < 20 || (version[0] === 20 && version[1] < 19)) {
  process.stderr.write(
    'error: imgctl needs Node.js 20.19 or newer, this is ' +
      process.versions.node +
      '\nhint: install a current Node.js: https://nodejs.org\n',
  )
  process.exitCode = 1
} else {
  import('../dist/main.js')
}
