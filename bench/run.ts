import { readdirSync } from 'node:fs'

/** `npm run bench -- NAME`: runs us and the peers in turn, in one run, and prints medians and ratios. */
const name = process.argv[2]
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length))

if (!name || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME\nnames: ${names.join(', ')}`)
  process.exit(2)
}
const { default: bench } = (await import(`./${name}.bench.ts`)) as {
  default: (args: string[]) => Promise<void>
}
await bench(process.argv.slice(3))
