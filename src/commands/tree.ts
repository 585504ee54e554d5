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
  readonly commands: readonly (CommandNode | GroupNode)[]
  /** What the group's name does by itself; without it the group shows its help. */
  readonly load?: CommandNode['load']
}

const IMAGE: readonly CommandNode[] = [
  {
    name: 'push',
    summary: 'get an image from the engine, an archive or a layout to the server',
    load: () => import('./image/push.ts'),
  },
  {
    name: 'build',
    summary: 'build a Dockerfile in the engine',
    load: () => import('./image/build.ts'),
  },
  {
    name: 'create',
    aliases: ['add', 'new'],
    summary: 'let the server fetch an image from its registry',
    load: () => import('./image/create.ts'),
  },
  {
    name: 'list',
    aliases: ['ls'],
    summary: 'list the images on the server, or with --local of the engine',
    load: () => import('./image/list.ts'),
  },
  {
    name: 'inspect',
    summary: 'show all about images',
    load: () => import('./image/inspect.ts'),
  },
  {
    name: 'delete',
    aliases: ['rm', 'remove'],
    summary: 'delete images on the server, or with --local of the engine',
    load: () => import('./image/delete.ts'),
  },
  {
    name: 'save',
    summary: 'save images of the engine or the server in an archive',
    load: () => import('./image/save.ts'),
  },
  {
    name: 'load',
    summary: 'load the images of an archive into the engine',
    load: () => import('./image/load.ts'),
  },
  {
    name: 'history',
    summary: 'show how an image was made',
    load: () => import('./image/history.ts'),
  },
  {
    name: 'pull',
    summary: 'get an image from the server or a registry into the engine',
    load: () => import('./image/pull.ts'),
  },
  {
    name: 'tag',
    summary: 'give an image of the engine one more name',
    load: () => import('./image/tag.ts'),
  },
  {
    name: 'prune',
    summary: 'delete images of the engine that nothing needs',
    load: () => import('./image/prune.ts'),
  },
  {
    name: 'import',
    summary: 'make an image from a tar of a file system',
    load: () => import('./image/import.ts'),
  },
  {
    name: 'commit',
    summary: 'make an image from a container',
    load: () => import('./image/commit.ts'),
  },
  {
    name: 'search',
    summary: 'search Docker Hub',
    load: () => import('./image/search.ts'),
  },
  {
    name: 'enable',
    summary: 'allow new sandboxes to use an image',
    load: () => import('./image/enable.ts'),
  },
  {
    name: 'disable',
    summary: 'keep new sandboxes from using an image',
    load: () => import('./image/disable.ts'),
  },
  {
    name: 'retry',
    summary: 'let the server work again on a failed image',
    load: () => import('./image/retry.ts'),
  },
]

const PROFILE: readonly CommandNode[] = [
  { name: 'list', aliases: ['ls'], summary: 'list profiles', load: () => import('./profile/list.ts') },
  { name: 'use', summary: 'make a profile the active one', load: () => import('./profile/use.ts') },
  {
    name: 'remove',
    aliases: ['rm'],
    summary: 'forget a profile and its login',
    load: () => import('./profile/remove.ts'),
  },
]

const KEY: readonly CommandNode[] = [
  { name: 'create', summary: 'make an API key', load: () => import('./key/create.ts') },
  { name: 'list', aliases: ['ls'], summary: 'list your API keys', load: () => import('./key/list.ts') },
  {
    name: 'revoke',
    aliases: ['rm', 'delete'],
    summary: 'end an API key',
    load: () => import('./key/revoke.ts'),
  },
]

const ORGANIZATION: readonly CommandNode[] = [
  {
    name: 'list',
    aliases: ['ls'],
    summary: 'list the organizations that you can reach',
    load: () => import('./organization/list.ts'),
  },
  { name: 'use', summary: 'choose an organization', load: () => import('./organization/use.ts') },
]

const REGISTRY: readonly CommandNode[] = [
  {
    name: 'add',
    aliases: ['create'],
    summary: 'give the server a credential for a registry',
    load: () => import('./registry/add.ts'),
  },
  { name: 'list', aliases: ['ls'], summary: 'list registries', load: () => import('./registry/list.ts') },
  {
    name: 'update',
    summary: 'change a registry or its password',
    load: () => import('./registry/update.ts'),
  },
  {
    name: 'remove',
    aliases: ['rm', 'delete'],
    summary: 'make the server forget a registry',
    load: () => import('./registry/remove.ts'),
  },
]

const SERVE_USER: readonly CommandNode[] = [
  {
    name: 'list',
    aliases: ['ls'],
    summary: 'list the users of a server',
    load: () => import('./serve/user/list.ts'),
  },
  {
    name: 'add',
    summary: 'let a user in, with a link to set a password',
    load: () => import('./serve/user/add.ts'),
  },
  {
    name: 'passwd',
    summary: 'make a new link to set a password, or set one',
    load: () => import('./serve/user/passwd.ts'),
  },
  {
    name: 'grant',
    summary: 'say what a user may do in an organization',
    load: () => import('./serve/user/grant.ts'),
  },
  {
    name: 'revoke',
    summary: 'take a user out of an organization',
    load: () => import('./serve/user/revoke.ts'),
  },
  {
    name: 'key',
    summary: 'make an API key for a user',
    load: () => import('./serve/user/key.ts'),
  },
  {
    name: 'disable',
    summary: 'stop all that a user has: logins, keys, pushes',
    load: () => import('./serve/user/disable.ts'),
  },
  { name: 'enable', summary: 'let a disabled user in again', load: () => import('./serve/user/enable.ts') },
  {
    name: 'remove',
    aliases: ['rm'],
    summary: 'remove a user with their keys and logins',
    load: () => import('./serve/user/remove.ts'),
  },
]

const SERVE_ORGANIZATION: readonly CommandNode[] = [
  {
    name: 'list',
    aliases: ['ls'],
    summary: 'list the organizations of a server',
    load: () => import('./serve/organization/list.ts'),
  },
  { name: 'add', summary: 'make an organization', load: () => import('./serve/organization/add.ts') },
  {
    name: 'set',
    summary: 'change what an organization may store',
    load: () => import('./serve/organization/set.ts'),
  },
]

const SERVE: readonly (CommandNode | GroupNode)[] = [
  { name: 'user', aliases: ['users'], summary: 'who may log in to a server', commands: SERVE_USER },
  {
    name: 'organization',
    aliases: ['organizations', 'org'],
    summary: 'the organizations of a server',
    commands: SERVE_ORGANIZATION,
  },
  {
    name: 'check',
    summary: 'find out whether a data folder is whole',
    load: () => import('./serve/check.ts'),
  },
  {
    name: 'backup',
    summary: 'copy a data folder while the server runs',
    load: () => import('./serve/backup.ts'),
  },
  {
    name: 'gc',
    summary: 'remove now what nothing needs any more',
    load: () => import('./serve/gc.ts'),
  },
]

const CACHE: readonly CommandNode[] = [
  { name: 'info', summary: 'show what pushes have learned', load: () => import('./cache/info.ts') },
  { name: 'prune', summary: 'forget what pushes have learned', load: () => import('./cache/prune.ts') },
]

const AUDIT: readonly CommandNode[] = [
  { name: 'list', aliases: ['ls'], summary: 'list who changed what', load: () => import('./audit/list.ts') },
]

const IMAGES = 'Images:'
const ACCOUNT = 'Account:'
const SERVER = 'Server:'

/** Every command, in the order of help. Nothing here loads a command's file. */
export const TREE: readonly (CommandNode | GroupNode)[] = [
  {
    name: 'image',
    aliases: ['images'],
    summary: 'push, fetch, list and delete images',
    heading: IMAGES,
    commands: IMAGE,
  },
  {
    name: 'cache',
    summary: 'what pushes have learned, to be quick the next time',
    heading: IMAGES,
    commands: CACHE,
  },
  {
    name: 'registry',
    aliases: ['registries'],
    summary: 'private registries that the server may fetch from',
    heading: SERVER,
    commands: REGISTRY,
  },
  {
    name: 'serve',
    summary: 'run the server here',
    heading: SERVER,
    load: () => import('./serve.ts'),
    commands: SERVE,
  },
  { name: 'audit', summary: 'who changed what on the server', heading: SERVER, commands: AUDIT },
  { name: 'api', summary: "call the server's API", heading: SERVER, load: () => import('./api.ts') },
  {
    name: 'login',
    summary: 'log in to a server',
    heading: ACCOUNT,
    load: () => import('./login.ts'),
  },
  { name: 'logout', summary: 'forget a login', heading: ACCOUNT, load: () => import('./logout.ts') },
  {
    name: 'whoami',
    summary: 'show who is logged in where',
    heading: ACCOUNT,
    load: () => import('./whoami.ts'),
  },
  { name: 'key', aliases: ['keys'], summary: 'API keys', heading: ACCOUNT, commands: KEY },
  {
    name: 'organization',
    aliases: ['organizations', 'org'],
    summary: 'choose the organization to work in',
    heading: ACCOUNT,
    commands: ORGANIZATION,
  },
  {
    name: 'profile',
    aliases: ['profiles'],
    summary: 'switch between servers',
    heading: ACCOUNT,
    commands: PROFILE,
  },
  {
    name: 'doctor',
    summary: 'find what is wrong with the engine, the server or the login',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'completion',
    summary: "print a shell's completion script",
    load: () => import('./completion.ts'),
  },
  { name: 'version', summary: 'print versions', load: () => import('./version.ts') },
]
