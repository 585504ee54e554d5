import { isLoopback } from '../../internal/loopback.ts'

/** Whether what is sent to a server can be read on the way. */
export function isPlainRemote(server: string): boolean {
  return server.startsWith('http:') && !isLoopback(server)
}
