import { Transform, type TransformCallback } from 'node:stream'

/** The messages that a build may send: list the keys, sign with one. */
const REQUEST_IDENTITIES = 11
const SIGN_REQUEST = 13
/** OpenSSH's limit for one message (AGENT_MAX_LEN). */
const MAX_MESSAGE_BYTES = 256 * 1024
const HEADER_BYTES = 4
/** A message of the reserved type 0: every agent answers SSH_AGENT_FAILURE to it. */
const REFUSED = Buffer.from([0, 0, 0, 1, 0])

/**
 * Lets a build use an SSH agent but not change it: a message that would add, remove or lock keys reaches the agent
 * as one that it refuses, so that the answers stay in order.
 * https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent
 */
export class AgentFilter extends Transform {
  #pending = Buffer.alloc(0)

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#pending = Buffer.concat([this.#pending, chunk])
    while (this.#pending.length >= HEADER_BYTES) {
      const length = this.#pending.readUInt32BE(0)
      if (length === 0 || length > MAX_MESSAGE_BYTES) {
        done(new Error('no message of the SSH agent protocol'))
        return
      }
      const end = HEADER_BYTES + length
      if (this.#pending.length < end) break
      const message = this.#pending.subarray(0, end)
      this.#pending = this.#pending.subarray(end)
      const type = message[HEADER_BYTES]
      this.push(type === REQUEST_IDENTITIES || type === SIGN_REQUEST ? message : REFUSED)
    }
    done()
  }
}
