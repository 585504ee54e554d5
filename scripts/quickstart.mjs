// `npm run quickstart`: from a fresh clone to an image on a server. Plain JavaScript: any Node >= 20.19 runs it.
import { ensureInstalled, run } from './toolchain.mjs'

await ensureInstalled()
const built = await run('node', ['scripts/build.mjs'])
process.exitCode = built === 0 ? await run('node', ['scripts/main-job.ts']) : built
