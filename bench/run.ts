import { readdirSync } from 'node:fs'

/** `npm run bench -- NAME...`: runs us and the peers in turn, in one run, and prints numbers, ratios and goals. */
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length))
const args = process.argv.slice(2)
const first = args.findIndex((arg) => !names.includes(arg))
const chosen = first < 0 ? args : args.slice(0, first)

if (chosen.length === 0) {
  console.error(`usage: npm run bench -- NAME... [OPTIONS]\nnames: ${names.join(', ')}`)
  process.exit(2)
}
for (const name of chosen) {
  const { default: bench } = (await import(`./${name}.bench.ts`)) as {
    default: (args: string[]) => Promise<void>
  }
  await bench(args.slice(chosen.length))
}
