import { connect } from 'node:net'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { BuildSshAgent } from '../../ports/engine-build.ts'
import { AgentFilter } from './agent-filter.ts'
import { NotOffered } from './grpc.ts'
import { encodeMessage, type ProtobufMessage } from './protobuf.ts'

/** The id of an agent that a Dockerfile does not name, and the metadata that carries the id. */
const DEFAULT_ID = 'default'
const ID_KEY = 'buildkit.ssh.id'

/** @throws NotOffered */
export function agentOf(agents: readonly BuildSshAgent[], id: string): BuildSshAgent {
  const wanted = id || DEFAULT_ID
  const agent = agents.find((candidate) => candidate.id === wanted)
  if (agent === undefined) throw new NotOffered(`the SSH agent ${wanted} was not given`)
  return agent
}

/**
 * Joins the SSH client of a build's step with the user's agent, until one of them ends. The agent's end, for
 * whatever reason, is all that the client is told.
 */
export function forwardAgent(
  agents: readonly BuildSshAgent[],
  call: ServerDuplexStream<ProtobufMessage, Buffer>,
): void {
  const agent = connect({ path: agentOf(agents, call.metadata.get(ID_KEY)[0]?.toString() ?? '').socketPath })
  const requests = new AgentFilter()
  requests.pipe(agent)
  requests.on('drain', () => call.resume())
  requests.on('error', () => agent.destroy())
  call.on('data', (message: ProtobufMessage) => {
    if (!requests.write(message.bytes(1))) call.pause()
  })
  call.on('end', () => requests.end())
  call.on('cancelled', () => agent.destroy())
  call.on('drain', () => agent.resume())
  agent.on('data', (chunk: Buffer) => {
    if (!call.write(encodeMessage({ 1: chunk }))) agent.pause()
  })
  agent.on('error', () => {})
  agent.on('close', () => call.end())
}
