import { ImgctlError } from '../../errors/error.ts'
import { makeVisible } from '../../internal/control-characters.ts'
import type { BuildRequest } from '../../ports/engine-build.ts'
import { baseImageFailure } from './base-image-failure.ts'
import { ignoredSourceHint } from './ignored-source.ts'
import type { BuildStep } from './steps.ts'

type FailedStep = Pick<BuildStep, 'name' | 'tail'>

/** A long RUN in a message would hide the reason. */
const SHOWN_STEP_LENGTH = 200

/** Go syscall.ENOSPC, and what a program in a step says for it. */
const NO_SPACE = /no space left on device/i
/** BuildKit 0.8 (`line 2: ...`) and later (`on line 2: ...`), the classic builder. */
const PARSE_ERROR = /dockerfile parse error (?:on )?line (\d+): (.*)/
/** Podman, which gives no line. */
const UNKNOWN_INSTRUCTION = /Unknown instruction: "(\w+)"/
const EMPTY = /Dockerfile.* cannot be empty|file with no instructions|no contents in "/
/** BuildKit, classic builder, Podman. */
const NO_DOCKERFILE =
  /failed to read dockerfile: .*no such file|Cannot locate specified Dockerfile|^stat .*no such file or directory/
const NO_TARGET =
  /target stage "?([^"\s]+)"? could not be found|failed to reach build target (\S+)|The target "([^"]+)" was not found/
/** BuildKit, classic builder, Podman. */
const EXIT_CODE = /(?:exit code: |non-zero code: |exit status )(\d+)/
/** BuildKit 0.8 (`secret npm not found: not found`) and later. */
const MISSING_SECRET = /secret (\S+?):? not found/
/** The classic builder, when it comes to such a step. */
const NEEDS_BUILDKIT = /requires BuildKit/
/** What BuildKit 0.8 puts before its reasons. */
const PREAMBLE = /^(?:failed to solve(?: with frontend [\w.]+)?: |failed to create LLB definition: )+/

/** What an exit code says beyond itself. https://tldp.org/LDP/abs/html/exitcodes.html */
const EXIT_HINTS: Readonly<Record<number, string>> = {
  126: 'the command is there but cannot be run: is it executable?',
  127: 'the command is not in the image at that point',
  137: 'it was killed, most often because the engine ran out of memory',
}

/**
 * What the text of a failed build means. Engines report it as text and nothing else; this and base-image-failure
 * are the only places that read it.
 *
 * @param step the step that failed, when one did
 */
export function buildFailure(message: string, request: BuildRequest, step?: FailedStep): ImgctlError {
  const text = makeVisible(message.trim()).replace(PREAMBLE, '')
  const tail = step?.tail ?? []
  return (
    (step && baseImageFailure(text, step.name)) ??
    dockerfileFailure(text, request.dockerfile) ??
    unsupported(text) ??
    spaceFailure(text, tail) ??
    stepFailure(text, step, request) ??
    new ImgctlError('BUILD_FAILED', `the build failed: ${text}`, { context: tail, ...hintFor(text) })
  )
}

function dockerfileFailure(text: string, file: BuildRequest['dockerfile']): ImgctlError | undefined {
  const shown = file.shownAs ?? file.name
  const parse = PARSE_ERROR.exec(text)
  if (parse) return new ImgctlError('BUILD_FAILED', `${shown}:${parse[1]}: ${parse[2]}`)
  const unknown = UNKNOWN_INSTRUCTION.exec(text)?.[1]
  if (unknown) {
    const line = lineOf(unknown, new TextDecoder().decode(file.content))
    return new ImgctlError(
      'BUILD_FAILED',
      `${shown}${line ? `:${line}` : ''}: unknown instruction: ${unknown}`,
    )
  }
  if (EMPTY.test(text)) return new ImgctlError('BUILD_FAILED', `${shown} has no instructions`)
  if (NO_DOCKERFILE.test(text)) {
    return new ImgctlError('FILE_NOT_FOUND', `${shown} is not in the build context`)
  }
  const target = NO_TARGET.exec(text)?.slice(1).find(Boolean)
  return target ? new ImgctlError('BUILD_FAILED', `${shown} has no stage ${target}`) : undefined
}

/** The line, from 1, on which an instruction stands for the first time. */
function lineOf(instruction: string, text: string): number | undefined {
  const start = new RegExp(`^\\s*${instruction}(?:\\s|$)`, 'i')
  const index = text.split('\n').findIndex((line) => start.test(line))
  return index < 0 ? undefined : index + 1
}

function spaceFailure(text: string, tail: readonly string[]): ImgctlError | undefined {
  if (![text, ...tail].some((line) => NO_SPACE.test(line))) return undefined
  return new ImgctlError('DISK_FULL', `the engine has no space left to build: ${text}`, {
    context: tail,
    hint: 'free some: docker builder prune, docker image prune',
  })
}

function unsupported(text: string): ImgctlError | undefined {
  if (!NEEDS_BUILDKIT.test(text)) return undefined
  return new ImgctlError('UNSUPPORTED', `the classic builder cannot build this: ${text}`, {
    hint: 'use BuildKit: --builder buildkit',
  })
}

function stepFailure(
  text: string,
  step: FailedStep | undefined,
  { files }: BuildRequest,
): ImgctlError | undefined {
  if (step === undefined) return undefined
  const name =
    step.name.length > SHOWN_STEP_LENGTH ? `${step.name.slice(0, SHOWN_STEP_LENGTH)}...` : step.name
  const code = EXIT_CODE.exec(text)?.[1]
  const hint = code === undefined ? ignoredSourceHint(text, step.name, files) : EXIT_HINTS[Number(code)]
  const message = code === undefined ? `${name}: ${text}` : `${name} ended with exit code ${code}`
  return new ImgctlError('BUILD_FAILED', message, {
    context: step.tail,
    ...(hint ? { hint } : hintFor(text)),
  })
}

function hintFor(text: string): { readonly hint?: string } {
  const secret = MISSING_SECRET.exec(text)?.[1]
  if (secret) return { hint: `give it: --secret id=${secret},src=FILE` }
  if (/exec format error/.test(text)) {
    return { hint: 'the step runs a program of another platform: build for the platform of the engine' }
  }
  return {}
}
