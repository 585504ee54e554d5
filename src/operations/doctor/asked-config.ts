import type { ServerConfig } from '../../contract/server.ts'

/** The server's own answer, shared by the checks that need it. */
export type AskedConfig = Promise<ServerConfig>

/** What a check says that is left out, because the server check has said the rest. */
export const NO_SERVER = 'the server does not answer'

export async function answers(config: AskedConfig): Promise<boolean> {
  return config.then(
    () => true,
    () => false,
  )
}
