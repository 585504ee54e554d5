import { connect } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { BuildSshAgent } from '../../ports/engine-build.ts'
import { encodeMessage } from '../grpc/protobuf.ts'
import { type GrpcCall, NotOffered } from '../grpc/serve.ts'
import { AgentFilter } from './agent-filter.ts'

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
 *
 * @throws NotOffered
 */
export async function forwardAgent(agents: readonly BuildSshAgent[], call: GrpcCall): Promise<void> {
  const agent = connect({ path: agentOf(agents, call.header(ID_KEY)[0] ?? '').socketPath })
  const asked = pipeline(requests(call), new AgentFilter(), agent)
  asked.catch(() => agent.destroy())
  try {
    for await (const chunk of agent as AsyncIterable<Buffer>) await call.send(encodeMessage({ 1: chunk }))
  } catch {
    // The agent is gone, or the step is.
  } finally {
    agent.destroy()
  }
}

async function* requests(call: GrpcCall): AsyncGenerator<Uint8Array> {
  for await (const message of call.messages()) yield message.bytes(1)
}
