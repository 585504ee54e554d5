import type { AnyCommand } from './command.ts'

interface Node {
  readonly name: string
  readonly aliases?: readonly string[]
  /** What help shows of it in a list. */
  readonly summary: string
  /** The heading that help lists it under. */
  readonly heading?: string
}

export interface CommandNode extends Node {
  readonly load: () => Promise<{ readonly default: AnyCommand }>
}

export interface GroupNode extends Node {
  readonly commands: readonly CommandNode[]
}

const ACCOUNT = 'Account:'
const SERVER = 'Server:'

const IMAGE: readonly CommandNode[] = [
  {
    name: 'list',
    aliases: ['ls'],
    summary: 'list the images on the server',
    load: () => import('./image/list.ts'),
  },
]

/** Every command, in the order of help. Nothing here loads a command's file. */
export const TREE: readonly (CommandNode | GroupNode)[] = [
  { name: 'image', aliases: ['images'], summary: 'work with images', heading: 'Images:', commands: IMAGE },
  { name: 'version', summary: 'print versions', heading: SERVER, load: () => import('./version.ts') },
  {
    name: 'whoami',
    summary: 'show who is logged in where',
    heading: ACCOUNT,
    load: () => import('./whoami.ts'),
  },
]
