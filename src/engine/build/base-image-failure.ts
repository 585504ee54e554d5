import { ImgctlError } from '../../errors/error.ts'
import { tryParseReference } from '../../oci/reference.ts'
import { pullFailure } from '../pull-failure.ts'

/** Steps that fetch an image: BuildKit's, then a FROM of the classic builders. */
const IMAGE_STEPS = [
  /^\[internal\] load metadata for (\S+)$/,
  /^resolve image config for (\S+)$/,
  /^(?:\[[^\]]+\] )*FROM (?:--\w+=\S+ )*(\S+)/i,
]

/** @returns what a failure to fetch a base image means; undefined when the step is none that fetches one */
export function baseImageFailure(text: string, stepName: string): ImgctlError | undefined {
  const image = IMAGE_STEPS.map((pattern) => pattern.exec(stepName)?.[1]).find(Boolean)
  if (image === undefined) return undefined
  const reference = tryParseReference(image)
  const { code, hint, retryable } = pullFailure('rule' in reference ? image : reference.domain, text)
  return new ImgctlError(
    code === 'ENGINE_ERROR' ? 'BUILD_FAILED' : code,
    `the base image ${image} cannot be pulled: ${text}`,
    { retryable, ...(hint ? { hint } : {}) },
  )
}
