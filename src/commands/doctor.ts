import { ImgctlError } from '../errors/error.ts'
import type { Check } from '../operations/doctor/check.ts'
import { diagnose } from '../operations/doctor/diagnose.ts'
import { printChecklist } from '../terminal/checklist.ts'
import { printRecords, type RecordView } from '../terminal/records.ts'
import { defineCommand } from './command.ts'
import { ENGINE_OPTIONS, engineChoice } from './options/engine.ts'
import { format } from './options/output.ts'

interface CheckRecord {
  readonly name: string
  readonly status: Check['status']
  readonly found: string
  readonly details: readonly string[]
  readonly fix: string | null
}

const VIEW: RecordView<CheckRecord> = { columns: [], id: ({ name }) => name }

export default defineCommand({
  description: `Looks for the engine, the server, the login, the registry and what lies between, and says what to do about
each thing that is not right. Nothing is changed, no secret is shown, and it takes a few seconds at most.

Fails (exit code 1) when a check fails; warnings do not fail it.`,
  arguments: {},
  options: {
    ...ENGINE_OPTIONS,
    format: format(),
  },
  examples: [
    'imgctl doctor',
    'imgctl doctor --server https://images.example',
    "imgctl doctor --format '{{.Status}} {{.Name}}'",
  ],
  async run({ options }, { streams, signal, probes }) {
    const { format } = options
    const checks = await diagnose(await probes(engineChoice(options)), signal)
    if (format.kind === 'table') printChecklist(streams.stdout, checks.map(toItem))
    else await printRecords(streams.stdout, checks.map(toRecord), VIEW, { format })
    const failed = checks.filter(({ status }) => status === 'fail')
    if (failed.length === 0) return
    const names = failed.map(({ name }) => name).join(', ')
    throw new ImgctlError('PARTIAL_FAILURE', `${failed.length} of ${checks.length} checks failed: ${names}`)
  },
})

function toItem({ name, status, found, details = [], fix }: Check) {
  return { mark: status, title: name, text: found, lines: details, fix }
}

function toRecord({ name, status, found, details = [], fix }: Check): CheckRecord {
  return { name, status, found, details, fix: fix ?? null }
}
