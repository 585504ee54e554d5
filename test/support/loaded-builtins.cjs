// With --require: at its end the program writes which of Node's own modules it loaded, to the file that LOADED_BUILTINS names.
process.on('exit', () => {
  const loaded = process.moduleLoadList.flatMap((entry) => /^NativeModule (.*)$/.exec(entry)?.slice(1) ?? [])
  require('node:fs').writeFileSync(process.env.LOADED_BUILTINS, loaded.join('\n'))
})
