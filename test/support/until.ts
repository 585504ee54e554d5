import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20

/** Waits for something that must come; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(POLL_MS)
}
