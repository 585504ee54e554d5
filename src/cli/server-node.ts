/** What `imgctl serve` needs: `node:sqlite` without a flag, and the libraries of the server. */
const SERVER_NODE = { major: 22, minor: 13 }

/** The Node that the server needs when `version` is too old for it; undefined when it is not. */
export function newerNodeForServer(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const { major: wanted, minor: wantedMinor } = SERVER_NODE
  if (major > wanted || (major === wanted && minor >= wantedMinor)) return undefined
  return `Node.js ${wanted}.${wantedMinor} or newer`
}
