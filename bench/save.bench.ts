import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { peakUntil } from '../test/acceptance/peak-memory.ts'
import { startImgctl } from '../test/acceptance/program.ts'
import { report } from './report.ts'
import { sideBySide } from './side-by-side.ts'
import { withEngine } from './with-engine.ts'

const PROGRAM = join(import.meta.dirname, '../bin/imgctl.js')
const ROUNDS = 3

/** Goals: a plain save <= 1.05 x docker save; `--compress` on 4 cores >= 3 x as fast as gzip; <= 128 MB of RSS. */
export default async function save([rounds = String(ROUNDS)]: string[]): Promise<void> {
  await withEngine(async ({ host, folder, archive, reference }) => {
    const loaded = spawnSync('docker', ['--host', host, 'load', '--input', archive])
    if (loaded.status !== 0) throw new Error(loaded.stderr.toString())
    const out = join(folder, 'out')
    const docker = `docker --host "${host}" save ${reference}`
    const ours = `"${process.execPath}" "${PROGRAM}" image save ${reference} --host "${host}" --progress none`
    const shell = (name: string, line: string) => ({ name, command: 'sh', args: ['-c', line] })
    report(
      'plain',
      sideBySide(
        [shell('docker save', `${docker} -o ${out}`), shell('imgctl image save', `${ours} -o ${out}`)],
        Number(rounds),
      ),
    )
    report(
      'compressed',
      sideBySide(
        [
          shell('docker save | gzip', `${docker} | gzip > ${out}`),
          shell('imgctl image save --compress gzip', `${ours} --compress gzip -o ${out}`),
          shell('imgctl image save --compress zstd', `${ours} --compress zstd -o ${out}`),
        ],
        Number(rounds),
      ),
    )
    for (const options of [[], ['--compress', 'gzip'], ['--compress', 'zstd'], ['--format', 'oci']]) {
      const run = startImgctl(['image', 'save', reference, '--host', host, '-o', out, ...options])
      const memory = await peakUntil(run.child.pid!, run.ended)
      const { code, stderr } = await run.ended
      if (code !== 0) throw new Error(stderr)
      console.log(`peak RSS ${memory} MB  image save ${options.join(' ')}`)
    }
  })
}
