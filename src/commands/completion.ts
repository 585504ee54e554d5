import { ImgctlError } from '../errors/error.ts'
import { completionScript, SHELLS } from '../operations/completion/script.ts'
import { defineCommand } from './command.ts'
import { required } from './options/kinds.ts'

export default defineCommand({
  description: `Prints the completion script of a shell. Keep it in a file where the shell looks for it: then no process runs
when a shell starts, and names of images are asked for only when they are completed, for 300 ms at most.

bash, with the package bash-completion: imgctl completion bash >
~/.local/share/bash-completion/completions/imgctl (the folder must be there); without it, source the file in ~/.bashrc

zsh: imgctl completion zsh > ~/.zfunc/_imgctl, and in ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit; compinit

fish: imgctl completion fish > ~/.config/fish/completions/imgctl.fish

PowerShell: imgctl completion powershell > imgctl.ps1, and in $PROFILE: . PATH/imgctl.ps1

Print it anew after an update of imgctl.`,
  arguments: { shell: required('<shell>', 'bash, zsh, fish or powershell', SHELLS) },
  options: {},
  examples: [
    'imgctl completion bash > ~/.local/share/bash-completion/completions/imgctl',
    'imgctl completion zsh > ~/.zfunc/_imgctl',
    'imgctl completion fish > ~/.config/fish/completions/imgctl.fish',
    'imgctl completion powershell >> $PROFILE',
  ],
  async run({ args }, { streams, completedCommands }) {
    const shell = SHELLS.find((known) => known === args.shell)
    if (shell === undefined) {
      throw new ImgctlError('USAGE', `there is no completion for ${JSON.stringify(args.shell)}`, {
        hint: `shells: ${SHELLS.join(', ')}`,
      })
    }
    streams.stdout.write(completionScript(shell, await completedCommands()))
  },
})
