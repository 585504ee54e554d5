import { formatPlatform } from '../../oci/platform.ts'
import type { BuildRequest } from '../../ports/engine-build.ts'
import type { EngineCall } from '../connection.ts'

/**
 * `POST /build` for a request, as far as it is the same for every builder.
 * https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Image/operation/ImageBuild
 */
export function buildCall(request: BuildRequest): EngineCall & { readonly query: object } {
  const { tags = [], platform, target, cacheFrom = [] } = request
  return {
    ...{ method: 'POST', path: '/build' },
    query: {
      // Containers of steps are removed, also after a failure.
      ...{ rm: '1', forcerm: '1' },
      ...(tags.length > 0 ? { t: tags } : {}),
      ...(platform ? { platform: formatPlatform(platform) } : {}),
      ...(target ? { target } : {}),
      ...jsonUnlessEmpty('buildargs', request.buildArgs),
      ...jsonUnlessEmpty('labels', request.labels),
      ...(cacheFrom.length > 0 ? { cachefrom: JSON.stringify(cacheFrom) } : {}),
      ...(request.noCache ? { nocache: '1' } : {}),
      ...(request.pull ? { pull: '1' } : {}),
    },
  }
}

function jsonUnlessEmpty(
  name: string,
  values: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return Object.keys(values).length > 0 ? { [name]: JSON.stringify(values) } : {}
}
