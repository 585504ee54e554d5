import { ImgctlError } from '../../errors/error.ts'
import type { BuildCredentials, BuildSecret, BuildSshAgent } from '../../ports/engine-build.ts'
import { encodeMessage } from '../grpc/protobuf.ts'
import { EMPTY_MESSAGE, type GrpcMethod, NotOffered, unary } from '../grpc/serve.ts'
import { type SyncedFolder, sendFolder } from './file-sync.ts'
import { agentOf, forwardAgent } from './ssh-forward.ts'

/** What BuildKit may ask us for while it builds. */
export interface SessionOffer {
  /** By the names that BuildKit gives them. */
  readonly folders: ReadonlyMap<string, SyncedFolder>
  readonly credentialsFor: (host: string) => Promise<BuildCredentials | undefined>
  readonly secrets: readonly BuildSecret[]
  readonly ssh: readonly BuildSshAgent[]
  /** Told each secret before it is handed out. */
  readonly onSecret: (value: Uint8Array) => void
}

/** BuildKit's own limit for one secret (session/secrets/secretsprovider). */
export const MAX_SECRET_BYTES = 500 * 1024
/** grpc.health.v1.HealthCheckResponse with status SERVING. */
const SERVING = Buffer.from([0x08, 0x01])

/**
 * The services of a build session:
 * moby.filesync.v1.FileSync https://github.com/moby/buildkit/blob/master/session/filesync/filesync.proto,
 * moby.filesync.v1.Auth https://github.com/moby/buildkit/blob/master/session/auth/auth.proto,
 * moby.buildkit.secrets.v1.Secrets https://github.com/moby/buildkit/blob/master/session/secrets/secrets.proto,
 * moby.sshforward.v1.SSH https://github.com/moby/buildkit/blob/master/session/sshforward/ssh.proto,
 * and grpc.health.v1.Health, by which BuildKit sees whether we are still there.
 * The engine itself fetches tokens with the credentials: the methods by which we would do it are not offered.
 */
export function sessionMethods(offer: SessionOffer): GrpcMethod[] {
  const { folders, credentialsFor, secrets, ssh, onSecret } = offer
  return [
    unary('/grpc.health.v1.Health/Check', async () => SERVING),
    { path: '/moby.filesync.v1.FileSync/DiffCopy', answer: (call) => sendFolder(call, folders) },
    unary('/moby.filesync.v1.Auth/Credentials', async (request) =>
      encodeCredentials(await credentialsFor(request.text(1))),
    ),
    unary('/moby.buildkit.secrets.v1.Secrets/GetSecret', async (request) => {
      const value = await readSecret(secrets, request.text(1))
      onSecret(value)
      return encodeMessage({ 1: value })
    }),
    unary('/moby.sshforward.v1.SSH/CheckAgent', async (request) => {
      agentOf(ssh, request.text(1))
      return EMPTY_MESSAGE
    }),
    { path: '/moby.sshforward.v1.SSH/ForwardAgent', answer: (call) => forwardAgent(ssh, call) },
  ]
}

/** Empty for a host that we have no credentials for: the engine then goes on without. */
function encodeCredentials(credentials: BuildCredentials | undefined): Buffer {
  if (credentials === undefined) return EMPTY_MESSAGE
  if ('identityToken' in credentials) return encodeMessage({ 2: credentials.identityToken })
  return encodeMessage({ 1: credentials.username, 2: credentials.password })
}

async function readSecret(secrets: readonly BuildSecret[], id: string): Promise<Uint8Array> {
  const secret = secrets.find((candidate) => candidate.id === id)
  if (secret === undefined) throw new NotOffered(`the secret ${id} was not given`)
  const value = await secret.read()
  if (value.length <= MAX_SECRET_BYTES) return value
  const limit = `${MAX_SECRET_BYTES / 1024} KiB`
  throw new ImgctlError('TOO_LARGE', `the secret ${id} is larger than ${limit}, BuildKit's limit`)
}
