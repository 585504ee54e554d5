import { ImgctlError, isCode } from '../errors/error.ts'
import { RegistryError } from './errors.ts'
import { isSessionLost } from './upload-session.ts'

/** The registry lost what it was sent of bytes that cannot be read again. */
export function uploadLost(host: string): ImgctlError {
  return new ImgctlError('UPLOAD_LOST', `registry ${host} lost an upload that was interrupted`, {
    retryable: true,
    hint: 'run the same command again',
  })
}

/** The registry answered that it does not take what it was sent. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof RegistryError) || error.retryable || error.status === undefined) return false
  return error.status < 500 && ![401, 403, 413].includes(error.status)
}

/** Failures that the session survives, or that a new session mends. */
export function isResumable(error: unknown): error is RegistryError {
  return isSessionLost(error) || (error instanceof RegistryError && error.status === 416)
}

export function asRetryable(error: RegistryError): ImgctlError {
  return new ImgctlError(error.code, error.message, { retryable: true, cause: error })
}

export function tooLarge(error: RegistryError, refused: number): ImgctlError {
  const who = error.answeredBy ? `a server that calls itself ${JSON.stringify(error.answeredBy)}` : 'a server'
  return new ImgctlError(
    'TOO_LARGE',
    `${error.message}: ${who} on the way refuses bodies of ${refused} bytes`,
    {
      status: 413,
      hint: 'raise the body limit of the proxy in front of the registry (nginx: client_max_body_size)',
      cause: error,
    },
  )
}

/** Whether what stopped an upload from outside lets a later run go on: the user, or another layer's failure that may pass. */
export function maySendOn(reason: unknown): boolean {
  if (!(reason instanceof ImgctlError)) return true
  return reason.retryable || isCode(reason, 'INTERRUPTED', 'TERMINATED', 'OUTPUT_CLOSED')
}
