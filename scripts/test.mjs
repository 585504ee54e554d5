// `npm test`: installs, checks, builds, and runs every test. Ends with the counts on a line of their own.
// `npm run test:engines` (--each-engine): the integration tests, then the whole acceptance suite on one engine after
// the other; the counts of each, then the verdict.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureInstalled, run } from './toolchain.mjs'

const CHECKS = [
  ['lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['types', 'tsc', ['--noEmit']],
  ['build', 'node', ['scripts/build.mjs']],
  ['reference docs', 'node', ['scripts/docs.ts', '--check']],
]

const ENGINES = ['dockerClassic', 'dockerContainerd', 'podman']

/** The title of a test that is not meant for the engine of this run: testExcept of test/services/engines.ts. */
const NOT_MEANT = / \[not on \w+: .*\]$/

process.exitCode = await main()

async function main() {
  await ensureInstalled()
  for (const [title, command, args] of CHECKS) {
    console.error(`\n== ${title}`)
    const code = await run(command, args)
    if (code === 0) continue
    console.error(`\n${title}: failed (exit ${code})`)
    console.log('0 passed, 1 failed')
    return 1
  }
  const [flag, ...filters] = process.argv.slice(2)
  return flag === '--each-engine' ? runOnEachEngine(filters) : runTests(process.argv.slice(2))
}

async function runOnEachEngine(filters) {
  let worst = await runTests(['--project', 'integration', ...filters])
  for (const engine of ENGINES) {
    console.error(`\n== acceptance on ${engine}`)
    process.env.IMGCTL_TEST_ENGINE = engine
    worst = Math.max(worst, await runTests(['--project', 'acceptance', ...filters]))
  }
  return worst
}

async function runTests(filters) {
  const folder = mkdtempSync(join(tmpdir(), 'imgctl-report-'))
  const report = join(folder, 'report.json')
  try {
    console.error('\n== tests')
    const code = await run('vitest', [
      'run',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...filters,
    ])
    return summarize(JSON.parse(readFileSync(report, 'utf8')), code)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function summarize({ numPassedTests, numFailedTests, numPendingTests, testResults }, code) {
  const skipped = testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'pending' || status === 'skipped'),
  )
  for (const { fullName } of skipped) console.error(`skipped: ${fullName}`)
  const unproven = skipped.filter(({ fullName }) => !NOT_MEANT.test(fullName))
  const inCi = process.env.CI === 'true'
  if (unproven.length > 0 && inCi) console.error('With CI=true a skipped test is a failure.')
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.length,
  )
  for (const { name, message } of brokenFiles) console.error(`failed: ${name}\n${message}`)
  const failed = numFailedTests + brokenFiles.length + (inCi ? unproven.length : 0)
  console.log(`${numPassedTests} passed, ${failed} failed, ${numPendingTests} skipped`)
  return code !== 0 ? code : Number(failed > 0)
}
