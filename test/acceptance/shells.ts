import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { imgctl } from './program.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')
/** Where the shells' own programs are. */
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin'

export interface ShellFolder {
  /** The current folder of the shells: what file names are completed from. */
  readonly work: string
  readonly scripts: Readonly<Record<'bash' | 'zsh' | 'fish' | 'powershell', string>>
  /** Written by every run of imgctl that a shell starts: its arguments. */
  readonly log: string
  readonly env: Readonly<Record<string, string>>
}

/** A folder with imgctl on PATH, the completion scripts, and files to complete. */
export async function shellFolder(folder: string): Promise<ShellFolder> {
  const [bin, work, functions] = ['bin', 'work', 'functions'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [bin, functions, join(work, 'dir')]) await mkdir(each, { recursive: true })
  for (const name of ['big.tar', 'b.txt', 'with space.tar.gz']) await writeFile(join(work, name), '')
  const log = join(folder, 'runs')
  await writeFile(log, '')
  const shim = `#!/bin/sh\necho "$*" >> '${log}'\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`
  await writeFile(join(bin, 'imgctl'), shim)
  await chmod(join(bin, 'imgctl'), 0o755)
  const written = async (shell: string, file: string) => {
    const { stdout } = await imgctl(['completion', shell])
    await writeFile(join(folder, file), stdout)
    return join(folder, file)
  }
  return {
    work,
    scripts: {
      bash: await written('bash', 'imgctl.bash'),
      zsh: await written('zsh', 'functions/_imgctl'),
      fish: await written('fish', 'imgctl.fish'),
      powershell: await written('powershell', 'imgctl.ps1'),
    },
    log,
    env: { PATH: `${bin}:${SYSTEM_PATH}`, HOME: folder, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
  }
}

/** Runs a program in the folder. @throws Error when it fails or writes to stderr */
export async function runShell(
  shells: ShellFolder,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const child = spawn(program, args, {
    cwd: shells.work,
    env: { ...shells.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  const [code] = await once(child, 'close')
  if (code !== 0 || output.stderr !== '') throw new Error(`${program}: exit ${code}: ${output.stderr}`)
  return output.stdout
}

/** Asks bash's function as readline does: its words are broken at colons and equal signs. */
const BASH_DRIVER = `
source "$1"
shift
COMP_LINE="$*" COMP_POINT=\${#COMP_LINE} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_imgctl
[[ \${#COMPREPLY[@]} -eq 0 ]] || printf '%s\\n' "\${COMPREPLY[@]}"
`

/** @param words the line as bash breaks it */
export async function completeInBash(
  shells: ShellFolder,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const args = ['--norc', '-c', BASH_DRIVER, 'bash', shells.scripts.bash, ...words]
  return (await runShell(shells, 'bash', args, env)).split('\n').filter((line) => line !== '')
}

export async function completeInFish(
  shells: ShellFolder,
  line: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const script = 'source $argv[1]; complete -C $argv[2]'
  const args = ['--no-config', '-c', script, shells.scripts.fish, line]
  const lines = (await runShell(shells, 'fish', args, env)).split('\n').filter((found) => found !== '')
  return lines.map((found) => found.replace(/\t.*/, ''))
}

/** An interactive zsh in a terminal of its own, whose tabulator key completes, tells the line and ends. */
const ZSHRC = `
PS1= RPS1=
fpath=($ZDOTDIR/functions $fpath)
autoload -Uz compinit && compinit -u -D
capture() { zle complete-word; print -rn -- "$BUFFER" > $RESULT; exit }
zle -N capture
bindkey '^I' capture
`
const ZSH_DRIVER = `
zmodload zsh/zpty
zpty inner zsh -i
zpty -w -n inner "$1"$'\\t'
while zpty -r inner shown; do :; done
print -rn -- "$(< $RESULT)"
`

/** @returns the line after the tabulator key */
export async function completeInZsh(
  shells: ShellFolder,
  line: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = join(shells.work, '..')
  await writeFile(join(folder, '.zshrc'), ZSHRC)
  const result = join(folder, 'zsh-result')
  await writeFile(result, '')
  return runShell(shells, 'zsh', ['-f', '-c', ZSH_DRIVER, 'zsh', line], {
    ...env,
    ZDOTDIR: folder,
    RESULT: result,
  })
}
