import type { Platform } from '../../oci/platform.ts'
import type { BlobCompression } from '../../operations/push/layer-encoder.ts'
import type { Via } from '../../operations/push/push-facts.ts'
import { pushToRegistry, type RegistryPushRequest } from '../../operations/push/push-to-registry.ts'
import type { EngineChoice } from '../../ports/engine.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import type { Format } from '../../terminal/format.ts'
import type { ProgressMode } from '../../terminal/progress.ts'
import { printRecords } from '../../terminal/records.ts'
import type { CommandContext } from '../context.ts'
import { transferChoice, transferTuning } from '../options/transfer.ts'
import { showsOutput } from '../views/build-progress.ts'
import { pushView } from '../views/push-progress.ts'
import { PLAN, planRecord } from '../views/push-record.ts'
import { REGISTRY_PUSHED, registryPushRecord } from '../views/registry-push.ts'

export interface PushToOptions {
  readonly image: string | undefined
  readonly platform: Platform | undefined
  readonly via: Via | undefined
  readonly compression: BlobCompression | undefined
  readonly concurrency: number | undefined
  readonly limitRate: number | undefined
  readonly retries: number | undefined
  readonly chunkSize: number | undefined
  readonly dryRun: boolean
  readonly format: Format
  readonly quiet: boolean
  readonly progress: ProgressMode
  readonly digestFile: string | undefined
  readonly metadataFile: string | undefined
}

type PushToContext = Pick<
  CommandContext,
  | 'streams'
  | 'signal'
  | 'engine'
  | 'openRepository'
  | 'blobCache'
  | 'uploadJournal'
  | 'registryCredentials'
  | 'writeFile'
>

/** `image push --to`: to a registry that is nobody's server. The output is that of every push. */
export async function pushTo(
  what: Pick<RegistryPushRequest, 'source' | 'to' | 'build'>,
  engineChoice: EngineChoice,
  options: PushToOptions,
  context: PushToContext,
): Promise<void> {
  const { streams, signal } = context
  const { image, platform, dryRun, format, quiet, digestFile, metadataFile } = options
  let engine: ReturnType<typeof context.engine> | undefined
  const shown = createProgress(quiet && options.progress === 'auto' ? 'none' : options.progress, streams)
  try {
    const { plan, pushed } = await pushToRegistry(
      {
        openRepository: await context.openRepository(transferTuning(options)),
        engine: () => {
          engine ??= context.engine(engineChoice)
          return engine
        },
        blobCache: await context.blobCache(),
        uploadJournal: await context.uploadJournal(),
        registryCredentials: context.registryCredentials,
      },
      {
        ...what,
        ...transferChoice(options),
        dryRun,
        ...(image === undefined ? {} : { image }),
        ...(platform ? { platform } : {}),
        ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      },
      pushView(shown, showsOutput(options.progress, streams)),
      signal,
    )
    if (pushed === undefined) {
      shown.finish()
      return await printRecords(streams.stdout, planRecord(plan), PLAN, { format })
    }
    const record = registryPushRecord(pushed)
    if (digestFile) await context.writeFile(digestFile, `${record.digest}\n`)
    if (metadataFile) await context.writeFile(metadataFile, `${JSON.stringify(record, undefined, 2)}\n`)
    shown.line(`${pushed.reference.tag}: digest: ${record.digest} size: ${record.size}`)
    shown.success(`Successfully pushed ${record.reference}`)
    shown.finish()
    if (format.kind === 'table') streams.stdout.write(`${record.pinned}\n`)
    else await printRecords(streams.stdout, record, REGISTRY_PUSHED, { format })
  } finally {
    shown.finish()
  }
}
