import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerSettings } from '../context.ts'

/** @throws ImgctlError FILE_UNREADABLE when a file is not there, or they are no certificate and its key */
export async function readTls({
  certFile,
  keyFile,
}: NonNullable<ServerSettings['tls']>): Promise<{ cert: Buffer; key: Buffer }> {
  const files = { cert: await read(certFile), key: await read(keyFile) }
  try {
    createSecureContext(files)
    return files
  } catch (cause) {
    throw new ImgctlError('FILE_UNREADABLE', `not a certificate and its key: ${certFile}, ${keyFile}`, {
      hint: 'both are PEM files; the certificate comes first in its chain',
      cause,
    })
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new ImgctlError('FILE_UNREADABLE', `the TLS file cannot be read: ${path}`, { cause })
  }
}
