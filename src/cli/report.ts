import { ImgctlError } from '../errors/error.ts'
import { escapeControls, makeVisible } from '../internal/control-characters.ts'
import { isDiskFull } from '../internal/system-code.ts'
import { PromptInterrupted } from '../terminal/prompt.ts'
import type { Streams } from '../terminal/streams.ts'

export interface ReportOptions {
  readonly json: boolean
  /** Adds stacks and causes. */
  readonly debug: boolean
}

const MACHINE_OPTIONS = ['--format', '-f', '--progress']

/** Whether the command line asks for JSON: then errors are JSON too, also those of the command line itself. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args
    .slice(0, end < 0 ? undefined : end)
    .some(
      (arg, index, all) =>
        /^(?:--format|--progress)=json$|^-f=?json$/.test(arg) ||
        (MACHINE_OPTIONS.includes(arg) && all[index + 1] === 'json'),
    )
}

/** Writes an error to stderr, as text or JSON. @returns the exit code */
export function reportError(error: unknown, streams: Streams, { json, debug }: ReportOptions): number {
  const known = toImgctlError(error)
  if (known.code === 'OUTPUT_CLOSED') return known.exitCode
  if (json) streams.stderr.write(`${escapeControls(JSON.stringify(errorJson(known)))}\n`)
  else streams.stderr.write(errorText(known, streams))
  if (debug) streams.stderr.write(`${makeVisible(stackText(known))}\n`)
  return known.exitCode
}

/** The shape that scripts rely on: every key is always there. */
export function errorJson({ code, message, context, hint, retryable, status, requestId }: ImgctlError) {
  return {
    error: {
      code,
      message,
      context,
      hint: hint ?? null,
      retryable,
      status: status ?? null,
      requestId: requestId ?? null,
    },
  }
}

/** Any thrown value as an error that may be shown. */
export function toImgctlError(error: unknown): ImgctlError {
  if (error instanceof ImgctlError) return error
  if (error instanceof PromptInterrupted)
    return new ImgctlError('INTERRUPTED', 'interrupted', { cause: error })
  if (isDiskFull(error)) return new ImgctlError('DISK_FULL', 'the disk is full', { cause: error })
  const what = error instanceof Error ? error.message : String(error)
  return new ImgctlError('INTERNAL', `this is a bug in imgctl: ${what}`, {
    cause: error,
    hint: 'run it again with --debug and report what it prints',
  })
}

function errorText(error: ImgctlError, { stderr }: Streams): string {
  const { style } = stderr
  if (error.code === 'INTERRUPTED' || error.code === 'TERMINATED') return `${error.message}\n`
  const lines = [`${style.red('error:')} ${makeVisible(error.message)}`]
  for (const line of error.context) lines.push(`  ${makeVisible(line)}`)
  if (error.hint !== undefined) lines.push(`${style.cyan('hint:')} ${makeVisible(error.hint)}`)
  if (error.requestId !== undefined && (error.status ?? 0) >= 500) {
    lines.push(style.dim(`request id: ${makeVisible(error.requestId)}`))
  }
  return `${lines.join('\n')}\n`
}

function stackText(error: ImgctlError): string {
  const stacks: string[] = []
  for (let each: unknown = error; each instanceof Error && stacks.length < 10; each = each.cause) {
    stacks.push(each.stack ?? String(each))
  }
  return stacks.join('\ncaused by ')
}
