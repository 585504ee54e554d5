import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { sweepTemporaryFiles, temporaryFile } from '../../src/internal/temporary-file.ts'

test('only what belongs to a dead process of this machine is removed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imgctl-sweep-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  // The id of a process that has just ended.
  const dead = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim()
  const own = basename(temporaryFile(folder))
  const of = (pid: string) => own.replace(`-${process.pid}-`, `-${pid}-`)
  const stay = [
    own,
    of('1'),
    of(dead).replace('.imgctl-', '.imgctl-other.'),
    `.app.tar.${dead}.tmp`,
    of(dead).slice(1),
    `${of(dead)}.tar`,
    'app.tar',
  ]
  for (const name of [...stay, of(dead)]) writeFileSync(join(folder, name), '')
  await sweepTemporaryFiles(folder)
  expect(readdirSync(folder).sort()).toEqual(stay.sort())
  await sweepTemporaryFiles(join(folder, 'no-such-folder'))
})
