import { isCode } from '../../errors/error.ts'
import type { TransferJob } from './transfer.ts'

/** Goes on with the plan for that when the engine turns out not to hand out single layers. */
export async function orWithoutPicking<T>(
  job: TransferJob,
  transfer: (job: TransferJob) => Promise<T>,
): Promise<T> {
  const { plan, onEvent } = job
  try {
    return await transfer(job)
  } catch (error) {
    if (!plan.withoutPicking || !isCode(error, 'UNSUPPORTED')) throw error
    onEvent({ type: 'note', message: error.message })
    return transfer({ ...job, plan: plan.withoutPicking })
  }
}
