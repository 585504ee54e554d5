import { join } from 'node:path'
import { peakUntil } from '../test/acceptance/peak-memory.ts'
import { startImgctl } from '../test/acceptance/program.ts'
import { report } from './report.ts'
import { sideBySide } from './side-by-side.ts'
import { withEngine } from './with-engine.ts'

const PROGRAM = join(import.meta.dirname, '../bin/imgctl.js')
const ROUNDS = 3

/** Goals: <= 1.05 x docker load, with every digest checked first; <= 128 MB of RSS. Each load finds no image there. */
export default async function load([rounds = String(ROUNDS)]: string[]): Promise<void> {
  await withEngine(async ({ host, archive, reference }) => {
    const remove = `docker --host "${host}" image rm ${reference} >/dev/null 2>&1`
    const shell = (name: string, line: string) => ({
      name,
      command: 'sh',
      args: ['-c', `${line} && ${remove}`],
    })
    report(
      'load',
      sideBySide(
        [
          shell('docker load', `docker --host "${host}" load --input ${archive}`),
          shell(
            'imgctl image load',
            `"${process.execPath}" "${PROGRAM}" image load -i ${archive} --host "${host}" -q`,
          ),
        ],
        Number(rounds),
      ),
    )
    const run = startImgctl(['image', 'load', '-i', archive, '--host', host, '--quiet'])
    const memory = await peakUntil(run.child.pid!, run.ended)
    const { code, stderr } = await run.ended
    if (code !== 0) throw new Error(stderr)
    console.log(`peak RSS ${memory} MB`)
  })
}
