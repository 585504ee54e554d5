import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'

/** moby daemon/build and its Dockerfile parser; podman libimage: an instruction of `--change` that is none. */
const BAD_CHANGE =
  /is not a valid change command|unknown instruction|parse error|invalid change|file with no instructions|requires (?:at least |exactly )?\w+ argument/i

/** @returns USAGE when the engine's text says that an instruction of `--change` is wrong */
export function changeFailure(text: string): ImgctlError | undefined {
  if (!BAD_CHANGE.test(text)) return undefined
  return new ImgctlError('USAGE', `--change has no instruction that may be changed: ${makeVisible(text)}`, {
    hint: `like this: --change 'CMD ["/app"]' --change 'ENV KEY=value'`,
  })
}
