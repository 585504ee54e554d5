import type { FastifyInstance } from 'fastify'

/** Each level of the printed tree is indented so far. */
const INDENT = 4

/** Every route of an application, `GET /api/images/:idOrName`, from the router itself. */
export function routesOf(app: FastifyInstance): string[] {
  const routes: string[] = []
  const parents: string[] = []
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const match = /^(?<indent>[│ ]*)[├└]── (?<path>.*?)(?: \((?<methods>[A-Z, -]+)\))?$/u.exec(line)
    if (!match?.groups) continue
    const { indent = '', path = '', methods } = match.groups
    const depth = indent.length / INDENT
    parents.splice(depth, Number.POSITIVE_INFINITY, path)
    for (const method of methods?.split(', ') ?? []) routes.push(`${method} ${parents.join('')}`)
  }
  return routes
}
