import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { run } from './command.ts'

/**
 * Makes the network bridge of one engine and returns dockerd's options for it. BuildKit gives a RUN
 * step the default bridge network and fails without one; dockerd's own docker0 would be shared by all
 * engines of the machine. Without bridges in the kernel an engine still builds what runs nothing.
 */
export async function bridgeOptions(runFolder: string, engine: 'classic' | 'containerd'): Promise<string[]> {
  const name = `${prefixOf(runFolder)}${engine === 'classic' ? 'a' : 'b'}`
  const added = await run('ip', ['link', 'add', name, 'type', 'bridge']).catch(() => undefined)
  const bridge = added?.code === 0 ? name : 'none'
  return [`--bridge=${bridge}`, '--iptables=false', '--ip6tables=false', '--ip-forward=false']
}

export async function removeBridges(runFolder: string): Promise<void> {
  for (const name of bridgesOf(runFolder)) await run('ip', ['link', 'delete', name])
  const left = bridgesOf(runFolder)
  if (left.length > 0) throw new Error(`the network bridges ${left.join(', ')} cannot be removed`)
}

export function bridgesOf(runFolder: string): string[] {
  const prefix = prefixOf(runFolder)
  const names = readdirSync('/sys/class/net')
  return names.filter((name) => name.length === prefix.length + 1 && name.startsWith(prefix))
}

/** An interface's name has 15 characters at most, so it carries the owner's pid only. */
function prefixOf(runFolder: string): string {
  return `imgctl${basename(runFolder).split('-')[1]}`
}
