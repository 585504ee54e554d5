import { stat } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import type { Logger } from 'pino'
import type { ServerSettings } from '../context.ts'
import { readTls } from './tls.ts'

/** A certificate is renewed weeks before its end; SIGHUP is for who cannot wait. */
const LOOK_EVERY_MS = 30_000

type Files = NonNullable<ServerSettings['tls']>

/** The part of an HTTPS server that takes another certificate: new connections have it, open ones keep theirs. */
export interface TlsServer {
  setSecureContext(options: SecureContextOptions): void
}

export interface TlsRenewal {
  /** Reads the files again now. Files that are no pair are told in the log, and the old ones stay. */
  reload(): Promise<void>
  stop(): void
}

/** Takes a renewed certificate without a restart: when the files change, and when it is told to. */
export function watchTls(server: TlsServer, files: Files, log: Logger, everyMs = LOOK_EVERY_MS): TlsRenewal {
  let known: string | undefined
  const reload = async () => {
    try {
      const seen = await fingerprint(files)
      server.setSecureContext(await readTls(files))
      known = seen
      log.info({ certFile: files.certFile }, 'the certificate was read again')
    } catch (error) {
      log.error({ err: error }, 'the certificate cannot be read again: the old one stays')
    }
  }
  const look = async () => {
    const seen = await fingerprint(files).catch(() => known)
    if (known === undefined) known = seen
    else if (seen !== known) await reload()
  }
  void look()
  const timer = setInterval(() => void look(), everyMs).unref()
  return { reload, stop: () => clearInterval(timer) }
}

/** Another file, or another content: links that are switched (Kubernetes, certbot) are followed. */
async function fingerprint({ certFile, keyFile }: Files): Promise<string> {
  const stats = await Promise.all([stat(certFile), stat(keyFile)])
  return stats.map(({ dev, ino, mtimeMs, size }) => [dev, ino, mtimeMs, size].join(' ')).join('; ')
}
