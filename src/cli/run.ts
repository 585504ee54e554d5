import { ImgctlError } from '../errors/error.ts'
import { isDiskFull } from '../internal/system-code.ts'
import { createStreams, type Stdio } from '../terminal/streams.ts'
import type { Host } from './host.ts'
import { runProgram } from './program.ts'
import { type ReportOptions, reportError, wantsJson } from './report.ts'

export interface Process {
  /** Each stream is opened when it is first used: that is not free, and most commands need one. */
  readonly stdin: Stdio['stdin']
  readonly stdout: Stdio['stdout']
  readonly stderr: Stdio['stderr']
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly runtime: Host['runtime']
  /** What SIGHUP does from then on. */
  readonly onHangup: Host['onHangup']
}

/** One run of the program, and what the outside may do to it. */
export interface Run {
  /** Never rejects. The process may end when it is there. */
  readonly exitCode: Promise<number>
  /** The first asks the command to stop and gives it a moment; the second ends the run at once. */
  readonly stop: (signal: 'SIGINT' | 'SIGTERM') => void
  /** An error that nobody caught. */
  readonly fail: (error: unknown) => void
  /** stdout cannot be written: a reader that went away ends the run without a word. */
  readonly outputFailed: (error: unknown) => void
}

/** A command must let go of everything in this time: the whole exit is to take less than 500 ms. */
const STOP_WITHIN_MS = 350

export function startRun(
  args: readonly string[],
  { environment, runtime, onHangup, ...stdio }: Process,
): Run {
  const streams = createStreams(stdio, environment)
  const report: ReportOptions = { json: wantsJson(args), debug: args.includes('--debug') }
  const controller = new AbortController()
  let resolve: (code: number) => void = () => {}
  const exitCode = new Promise<number>((settle) => {
    resolve = settle
  })
  let stopWithinMs = STOP_WITHIN_MS
  let stopped: ImgctlError | undefined

  const end = (error: unknown) => {
    streams.restore()
    resolve(reportError(stopped ?? error, streams, report))
  }
  const stopFor = (reason: ImgctlError) => {
    if (stopped) return end(reason)
    stopped = reason
    controller.abort(reason)
    setTimeout(end, stopWithinMs, reason).unref()
  }
  const host: Host = {
    environment,
    runtime,
    streams,
    signal: controller.signal,
    allowStop: (milliseconds: number) => {
      stopWithinMs = milliseconds
    },
    onHangup,
  }
  Promise.resolve()
    .then(() => runProgram(args, host))
    .then(() => {
      streams.restore()
      resolve(0)
    }, end)
  return {
    exitCode,
    stop: (signal) => stopFor(signalError(signal)),
    fail: end,
    outputFailed: (error) => stopFor(outputError(error)),
  }
}

function signalError(signal: 'SIGINT' | 'SIGTERM'): ImgctlError {
  return signal === 'SIGINT'
    ? new ImgctlError('INTERRUPTED', 'interrupted')
    : new ImgctlError('TERMINATED', 'terminated')
}

function outputError(cause: unknown): ImgctlError {
  if (isDiskFull(cause)) return new ImgctlError('DISK_FULL', 'stdout: the disk is full', { cause })
  return new ImgctlError('OUTPUT_CLOSED', 'stdout is closed', { cause })
}
